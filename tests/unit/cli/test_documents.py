"""The documents say what the commands say of themselves."""

from __future__ import annotations

from tests.support.cli_documents import DOCUMENT, README, with_command_help, with_overview


def test_the_help_in_the_documents_is_that_of_the_commands() -> None:
    hint = "run: make documents"
    assert with_command_help(DOCUMENT.read_text()) == DOCUMENT.read_text(), hint
    assert with_overview(README.read_text()) == README.read_text(), hint
