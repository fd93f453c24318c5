"""The session in the README, replayed."""

from __future__ import annotations

from tests.support.cli_documents import comparable, recorded, session
from tests.support.cli_sandbox import ops_sandbox


def test_the_session_in_the_document_is_what_happens() -> None:
    with ops_sandbox() as sandbox:
        sandbox.stack.put_secret(sandbox.superoffice.secret("system_user"))
        assert comparable(session(sandbox)) == comparable(recorded()), "run: make documents"
