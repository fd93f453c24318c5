"""The documents contain the help that the commands print."""

from __future__ import annotations

from tests.support.cli_documents import make_example, outdated_parts, recorded_example, recorded_session


def test_the_help_in_the_documents_is_that_of_the_commands() -> None:
    assert outdated_parts() == [], "run: make documents"


def test_the_example_in_the_readme_is_from_the_session() -> None:
    assert recorded_example() == make_example(recorded_session()), "run: make documents"
