"""The documents say what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from image_ingest.errors import CATALOGUE, Deferred, IngestError, Rejected
from image_ingest.outcome import Outcome
from image_ingest.picture.preparation import CPU_SECONDS, WALL_SECONDS
from image_ingest.settings import MEMORY_VARIABLE, Settings
from tests import ROOT
from tests.support.documents import GENERATED, with_generated_parts

REFERENCE = (ROOT / "docs/reference.md").read_text()
REQUIRED = {"SUPEROFFICE_SECRET_ID": "s", "LEDGER_TABLE_NAME": "t", "DEAD_LETTER_QUEUE_URL": "q"}


def rows(section: str) -> Iterator[list[str]]:
    """The cells of a section's table, without its head."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", REFERENCE, re.DOTALL | re.MULTILINE)
    assert text is not None
    lines = [line for line in text[1].splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


class Recording(dict[str, str]):
    """An environment that knows what was asked of it."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: list[str] = []

    def get(self, name: str, default: object = None) -> str | None:  # type: ignore[override]  # what Settings calls
        self.asked.append(name)
        return super().get(name)


@pytest.mark.parametrize("name", GENERATED)
def test_the_generated_tables_are_the_codes(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"<!-- (codes: reject|calls) -->\n\| code|\| call", text)
    assert with_generated_parts(text) == text, "run: python -m tests.support.documents"


def test_the_table_of_settings_names_every_variable_and_its_default() -> None:
    environment = Recording(REQUIRED)
    defaults = Settings.from_environment(environment)
    documented = {row[0]: row[1] for row in rows("Settings")}
    assert list(documented) == sorted(documented, key=list(documented).index)
    assert set(documented) == set(environment.asked) - {MEMORY_VARIABLE}
    assert {name for name, default in documented.items() if default == "required"} == set(REQUIRED)
    stated = {name: value for name, value in documented.items() if value not in {"required", "unset"}}
    assert Settings.from_environment({**REQUIRED, **stated}) == defaults


def test_the_table_of_outcomes_is_the_codes() -> None:
    assert [row[0] for row in rows("Outcomes")] == list(get_args(Outcome))


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_raised_by_its_disposition_only(code: str) -> None:
    kinds: dict[str, type[IngestError]] = {"reject": Rejected, "defer": Deferred}
    kind = kinds.pop(CATALOGUE[code].disposition)
    assert kind(code, "why").code == code
    (other,) = kinds.values()
    with pytest.raises(AssertionError):
        other(code, "why")


def test_the_limits_of_time_are_those_of_the_documents() -> None:
    text = (ROOT / "docs/pictures.md").read_text()
    assert "HEIC 12 s, AVIF and GIF 8 s, PNG and TIFF 6 s, the others 4 s" in text
    assert CPU_SECONDS == {"HEIF": 12, "AVIF": 8, "GIF": 8, "PNG": 6, "TIFF": 6, "JPEG": 4, "WEBP": 4, "BMP": 4}
    assert "elapsed time (40 s" in text
    assert WALL_SECONDS == 40


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(text: str) -> set[str]:
    """The names under which Markdown viewers find a document's headings."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", document.read_text()):
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_document_is_in_the_reading_order() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in DOCUMENTS[1:] if path.name != "README.md")


def test_the_readme_stays_short() -> None:
    text = (ROOT / "README.md").read_text()
    prose = re.sub(r"```.*?```|<[^>]*>|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    assert len(text.splitlines()) <= 130
    assert len(re.findall(r"[A-Za-z][\w'-]*", prose)) <= 700
