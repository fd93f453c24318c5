"""The documents contain the help that the commands print."""

from __future__ import annotations

from tests.support.cli_documents import outdated_parts


def test_the_help_in_the_documents_is_that_of_the_commands() -> None:
    assert outdated_parts() == [], "run: make documents"
