"""The session in the documents, replayed."""

from __future__ import annotations

from tests.support.cli_documents import comparable, recorded_session, session
from tests.support.cli_sandbox import open_cli_sandbox


def test_the_session_in_the_document_is_what_happens() -> None:
    with open_cli_sandbox() as sandbox:
        sandbox.stack.put_secret(sandbox.superoffice.secret("system_user"))
        assert comparable(session(sandbox)) == comparable(recorded_session()), "run: make documents"
