"""Whose picture an object is."""

from __future__ import annotations

import re
from contextlib import suppress
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_ingest.errors import Rejected
from image_ingest.target import MAX_ENTITY_ID, Target, find_target

PATTERN = re.compile(r"(?P<entity_type>\w+)/(?P<entity_id>\d+)\.")


def named(entity_type: str, entity_id: str) -> dict[str, str]:
    return {"entity-type": entity_type, "entity-id": entity_id}


@pytest.mark.parametrize(
    "metadata",
    [
        named("person", "123"),
        named("PERSON", "00123"),
        named("  Person\t", " 123 "),
        named("=?UTF-8?B?cGVyc29u?=", "=?utf-8?q?123?="),
        {"Entity-Type": "person", "ENTITY-ID": "123", "photographer": "someone"},
        named("person", "0" * 5000 + "123"),
        named("\u00a0person\u2003", "\u00a0123\u3000\n"),
        named("=?utf-8?b?wqBwZXJzb27CoA==?=", "=?utf-8?b?wqAxMjPCoA==?="),
    ],
)
def test_metadata_names_the_target(metadata: dict[str, str]) -> None:
    assert find_target(metadata, "x.jpg", None) == Target("person", 123)


@pytest.mark.parametrize("entity_type", ["person", "project", "contact", "product"])
def test_four_entities_take_a_picture(entity_type: str) -> None:
    assert str(find_target(named(entity_type, "2147483647"), "x", None)) == f"{entity_type}#{MAX_ENTITY_ID}"


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({}, "target.missing"),
        ({"entity-type": "person"}, "target.missing"),
        ({"entity-id": "1"}, "target.missing"),
        (named("", "1"), "target.unknown-entity-type"),
        (named("associate", "1"), "target.unknown-entity-type"),
        (named("persons", "1"), "target.unknown-entity-type"),
        (named("person", ""), "target.invalid-id"),
        (named("person", "0"), "target.invalid-id"),
        (named("person", "000"), "target.invalid-id"),
        (named("person", "-1"), "target.invalid-id"),
        (named("person", "+1"), "target.invalid-id"),
        (named("person", "1.0"), "target.invalid-id"),
        (named("person", "1e3"), "target.invalid-id"),
        (named("person", "1_000"), "target.invalid-id"),
        (named("person", "2147483648"), "target.invalid-id"),
        (named("person", "9" * 5000), "target.invalid-id"),
        (named("person", "\N{FULLWIDTH DIGIT ONE}"), "target.invalid-id"),
        (named("person", "\N{SUPERSCRIPT TWO}"), "target.invalid-id"),
        (named("person", "12 3"), "target.invalid-id"),
        (named("person", "=?utf-8?b?!!!?="), "target.invalid-id"),
        (named("=?no-such-charset?q?person?=", "1"), "target.unknown-entity-type"),
        (named("person", "=?no-such-charset?q?1?="), "target.invalid-id"),
        (named("person", "=?undefined?q?1?="), "target.invalid-id"),
        (named("person", "=?idna?q?xn--=00?="), "target.invalid-id"),
        (named("person", "=?rot13?q?1?="), "target.invalid-id"),
    ],
)
def test_anything_else_is_refused_with_its_code(metadata: dict[str, str], code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        find_target(metadata, "x.jpg", None)
    assert refusal.value.code == code


def test_the_key_names_the_target_where_no_metadata_does() -> None:
    assert find_target({}, "Contact/007.png", PATTERN) == Target("contact", 7)


def test_metadata_wins_over_the_key() -> None:
    assert find_target(named("person", "1"), "contact/7.png", PATTERN) == Target("person", 1)
    with pytest.raises(Rejected, match="lacks entity-id"):
        find_target({"entity-type": "person"}, "contact/7.png", PATTERN)


def test_the_key_is_stripped_as_metadata_is() -> None:
    pattern = re.compile(r"(?P<entity_type>[^/]+)/(?P<entity_id>[^.]+)\.")
    assert find_target({}, "\u00a0Person /\u00a07 .jpg", pattern) == Target("person", 7)


@pytest.mark.parametrize("name", ["x-amz-meta-entity-id", "entityid", "EntityId", "entity_id", "enity-id"])
def test_a_name_that_looks_like_a_mistake_is_pointed_out(name: str) -> None:
    with pytest.raises(Rejected) as refusal:
        find_target({"entity-type": "person", name: "5"}, "x.jpg", None)
    assert refusal.value.code == "target.missing"
    assert refusal.value.message.endswith(f"lacks entity-id. It has {name.lower()}, which should be entity-id.")


def test_other_names_are_not_pointed_out() -> None:
    with pytest.raises(Rejected) as refusal:
        find_target({"photographer": "someone", "identity": "5", "type": "x"}, "x.jpg", None)
    assert refusal.value.message == "The object's metadata lacks entity-type and entity-id."


def test_the_pattern_matches_from_the_start_of_the_key() -> None:
    with pytest.raises(Rejected, match="TARGET_KEY_PATTERN"):
        find_target({}, "old/contact/7.png", PATTERN)


@pytest.mark.parametrize(
    ("key", "code"), [("associate/7.", "target.unknown-entity-type"), ("person/0.", "target.invalid-id")]
)
def test_what_the_key_names_is_checked_like_metadata(key: str, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        find_target({}, key, PATTERN)
    assert refusal.value.code == code


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_metadata_gives_a_target_or_a_refusal(entity_type: str, entity_id: str) -> None:
    try:
        entity_id_read = find_target(named(entity_type, entity_id), "x", None).entity_id
    except Rejected:
        return
    assert 1 <= entity_id_read <= MAX_ENTITY_ID


@given(st.text(alphabet="=?utf8qb-_ \u00a01", max_size=30))
def test_any_encoded_word_gives_a_target_or_a_refusal(entity_id: str) -> None:
    with suppress(Rejected):
        find_target(named("person", f"=?{entity_id}?="), "x", None)


@given(st.integers(1, MAX_ENTITY_ID), st.sampled_from(["utf-8", "iso-8859-1", "us-ascii"]))
def test_rfc_2047_encoded_ids_are_read(entity_id: int, charset: str) -> None:
    encoded = Header(str(entity_id), charset).encode()
    assert find_target(named("person", encoded), "x", None) == Target("person", entity_id)
