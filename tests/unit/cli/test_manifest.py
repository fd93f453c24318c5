"""Spreadsheets as people save them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_ingest.target import EntityType
from image_ingest_cli.errors import CommandError
from image_ingest_cli.photos.folder import Folder
from image_ingest_cli.photos.manifest import read_manifest
from image_ingest_cli.photos.patterns import compile_pattern, match_name
from image_ingest_cli.photos.references import parse_reference
from image_ingest_cli.photos.rows import Row

TEXT = "file;entity_type;entity_id\nphotos/Åse.jpg;person;123\n"


def _rows(tmp_path: Path, content: str | bytes, entity: str | None = None) -> list[tuple[str, str, str]]:
    path = tmp_path / "people.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_manifest(path, entity)  # type: ignore[arg-type]  # one of the entity types, by the tests' hand
    assert found.problems == []
    return [(row.file, row.reference.entity_type, row.reference.value) for row in found.rows]


@pytest.mark.parametrize(
    ("entity", "columns"),
    [(None, "entity_id or email or associate_id or number or orgnr"), ("product", "entity_id")],
)
def test_a_row_without_a_record_names_the_columns_that_identify_one(entity: EntityType | None, columns: str) -> None:
    with pytest.raises(ValueError, match=f"whose picture it is; fill in {columns}$"):
        parse_reference({"name": "Ada"}, entity)


def _problems(tmp_path: Path, content: str) -> dict[int | None, str]:
    path = tmp_path / "people.csv"
    path.write_text(content)
    return {problem.line: problem.text for problem in read_manifest(path, None).problems}


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        ("sep=;\r\n" + TEXT.replace("\n", "\r\n")).encode(),
        ("\ufeffsep=;\n" + TEXT).encode(),
        TEXT.replace(";", ",").encode(),
        TEXT.replace(";", "\t").encode(),
        TEXT.replace(";", "|").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("123", '"123.0"').replace("person", " Person ").encode(),
        TEXT.replace("123", '="123"').encode(),
        TEXT.replace("123", '"=""123"""').encode(),
        b"\n" + TEXT.encode() + b"\n;;\n",
    ],
)
def test_every_way_to_save_a_spreadsheet_is_read(tmp_path: Path, content: bytes) -> None:
    assert _rows(tmp_path, content) == [("photos/Åse.jpg", "person", "123")]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("Photo,Person ID", "a.jpg,7", ("a.jpg", "person", "7")),
        ("FILE_NAME,Entity Type,ID", "a.jpg,Contact,007", ("a.jpg", "contact", "7")),
        ("File,E-mail", "a.jpg,a@b.no", ("a.jpg", "person", "a@b.no")),
        ("File,UserPrincipalName,Department", "a.jpg,a@b.no,HR", ("a.jpg", "person", "a@b.no")),
        ("bild,Org.nr.", "a.jpg,987654321", ("a.jpg", "contact", "987654321")),
        ("fil,associate id", 'a.jpg,"12,0"', ("a.jpg", "person", "12")),
        ("file,entity_type,entity_id,number", "a.jpg,person,5,E-17", ("a.jpg", "person", "5")),
    ],
)
def test_header_names_are_recognised_in_many_spellings(
    tmp_path: Path, header: str, cells: str, expected: tuple[str, str, str]
) -> None:
    assert _rows(tmp_path, f"{header}\n{cells}\n") == [expected]


def test_problems_have_the_line_of_the_file(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path,
        'sep=,\nfile,entity_type,entity_id,email\n"two\nlines.jpg",person,1,\n,person,2,\nb.jpg,person,x,\n'
        "c.jpg,,3,\nd.jpg,person,4,e@f\ng.jpg,person,,\nh.jpg,person,5,,surplus\ni.jpg,person,1e3,\n",
    )
    assert sorted(line or 0 for line in problems) == [5, 6, 7, 8, 9, 10, 11]
    assert "names no file" in problems[5]
    assert "entity-id" in problems[6]
    assert "entity_type" in problems[7]
    assert "2 ways" in problems[8]
    assert "whose picture" in problems[9]
    assert "more cells" in problems[10]
    assert "entity-id" in problems[11]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("name,entity_id\n", "no column file"),
        ("file,colour\n", "no column entity_id"),
        ("file,id,entity id\n", "two columns"),
        ('file,entity_id\n"a.jpg', "not a readable CSV"),
    ],
)
def test_a_file_that_is_not_a_manifest_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=reason):
        read_manifest(path, None)


def test_an_excel_workbook_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "people.xlsx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(CommandError, match="Save it as CSV"):
        read_manifest(tmp_path / "people.xlsx", None)


def test_an_option_that_contradicts_the_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("file,person_id\na.jpg,1\n")
    with pytest.raises(CommandError, match="header says contact"):
        read_manifest(path, "contact")


@given(st.binary(max_size=200))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"file,entity_id\n" + data)
    try:
        found = read_manifest(path, "person")
    except CommandError:
        return
    assert all(row.reference.target for row in found.rows)


@pytest.mark.parametrize(
    ("pattern", "name", "values"),
    [
        ("{entity}/{id}.*", "person/12.jpg", {"entity_type": "person", "entity_id": "12"}),
        ("{id}.*", "deep/below/12.JPG", {"entity_id": "12"}),
        ("{email}.*", "kari.hansen@example.co.uk.jpg", {"email": "kari.hansen@example.co.uk"}),
        ("{id}_*.jpg", "12_Kari Hansen.jpg", {"entity_id": "12"}),
        ("{name} ({id}).*", "Kari (12).png", {"name": "Kari", "entity_id": "12"}),
        ("{orgnr}.*", unicodedata.normalize("NFD", "Å1.jpg"), {"orgnr": "Å1"}),
        ("{entity}/{id}.*", "12.jpg", None),
        ("{id}.*", "twelve.jpg", None),
        ("{id}.*", ".DS_Store", None),
    ],
)
def test_patterns_read_file_names(pattern: str, name: str, values: dict[str, str] | None) -> None:
    assert match_name(compile_pattern(pattern), name) == values


@pytest.mark.parametrize("pattern", ["*.jpg", "{entity}.*", "{id}{id}", "{colour}", "{}"])
def test_patterns_that_name_no_record_are_wrong_usage(pattern: str) -> None:
    with pytest.raises(CommandError) as error:
        compile_pattern(pattern)
    assert error.value.status == 2


def test_no_file_outside_the_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub" / "a.jpg").write_bytes(b"x")
    (inside / "link.jpg").symlink_to(inside / "sub" / "a.jpg")
    (inside / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "up").symlink_to(tmp_path)
    folder = Folder(inside)
    assert folder.find("sub\\a.jpg") == inside / "sub" / "a.jpg"
    assert folder.find("./link.jpg") == inside / "link.jpg"
    for name in ("../secret.jpg", "out.jpg", "up/secret.jpg", "..\\secret.jpg", str(tmp_path / "secret.jpg")):
        with pytest.raises(ValueError, match="outside"):
            folder.find(name)
    with pytest.raises(ValueError, match="no such file"):
        folder.find("sub")


JUNK = ("._7.jpg", ".DS_Store", "Thumbs.db", "__MACOSX/._7.jpg", "sub/@eaDir/7.jpg")


def test_system_files_are_counted_and_skipped(tmp_path: Path) -> None:
    for name in (*JUNK, "7.jpg", "sub/_8.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"x")
    matches = Folder(tmp_path).match("*{id}.*", "person")
    assert [row.file for row in matches.rows] == ["7.jpg", "sub/_8.jpg"]
    assert (matches.junk, matches.unmatched, matches.problems) == (len(JUNK), [], [])


def test_two_files_with_one_name_are_a_problem(tmp_path: Path) -> None:
    composed, split = (unicodedata.normalize(form, "Å\u0323.jpg") for form in ("NFC", "NFD"))
    third = "A\u030a\u0323.jpg"
    for name in (split, third):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="several files"):
        Folder(tmp_path).find(composed)


def test_a_pattern_gives_the_same_rows_as_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").write_bytes(b"x")
    (tmp_path / "x.jpg").write_bytes(b"x")
    matches = Folder(tmp_path).match("{id}.*", "project")
    assert matches.rows == [Row(None, "7.jpg", parse_reference({"entity_id": "7"}, "project"))]
    assert matches.unmatched == ["x.jpg"]
    assert matches.problems == []


def test_a_file_name_that_is_no_id_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"x")
    matches = Folder(tmp_path).match("{id}.*", "project")
    assert matches.rows == []
    assert [(problem.line, problem.file) for problem in matches.problems] == [(None, "0.jpg")]
    assert "entity-id" in matches.problems[0].text
