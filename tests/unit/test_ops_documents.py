"""docs/operating.md says what the commands say of themselves."""

from __future__ import annotations

from tests.support.ops_documents import DOCUMENT, with_command_help


def test_the_help_in_the_document_is_that_of_the_commands() -> None:
    text = DOCUMENT.read_text()
    assert text == with_command_help(text), "run: python -m tests.support.ops_documents"
