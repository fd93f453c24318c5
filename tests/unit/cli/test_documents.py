"""The documents contain the help that the commands print."""

from __future__ import annotations

import pytest

from tests.support.cli_documents import (
    find_mentions,
    find_mistake,
    find_outdated_parts,
    make_example,
    read_recorded_example,
    read_recorded_session,
)


def test_the_help_in_the_documents_is_that_of_the_commands() -> None:
    assert find_outdated_parts() == [], "run: make documents"


def test_the_example_in_the_readme_is_from_the_session() -> None:
    assert read_recorded_example() == make_example(read_recorded_session()), "run: make documents"


def test_every_command_in_the_documents_exists() -> None:
    mentions = find_mentions()
    assert len(mentions) > 50
    assert {mention: mistake for mention in mentions if (mistake := find_mistake(mention))} == {}


@pytest.mark.parametrize(
    ("mention", "mistake"),
    [
        ("image-ingest statuses", "statuses"),
        ("image-ingest failures lists", "lists"),
        ("image-ingest failures replay --every", "--every"),
        ("image-ingest status person 123 --json", None),
        ("image-ingest failures", None),
    ],
)
def test_a_mistake_is_found(mention: str, mistake: str | None) -> None:
    assert find_mistake(mention) == mistake
