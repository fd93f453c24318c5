"""The session in the documents, replayed."""

from __future__ import annotations

from tests.support.cli_documents import normalize_session, read_recorded_session, run_session
from tests.support.cli_sandbox import open_cli_sandbox


def test_the_session_in_the_document_is_what_happens() -> None:
    with open_cli_sandbox(MaxConcurrency="5") as sandbox:  # as the template has it
        sandbox.stack.put_secret(sandbox.superoffice.secret("system_user"))
        assert normalize_session(run_session(sandbox)) == normalize_session(read_recorded_session()), (
            "run: make documents"
        )
