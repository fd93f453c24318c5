"""`image-ingest secret put`, against the sandbox: by questions on a terminal, from files, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from image_ingest.superoffice import SCHEMES
from image_ingest_cli.credentials.questions import SCHEME_DESCRIPTIONS
from tests.support.cli_sandbox import CliSandbox
from tests.support.cli_terminal import Terminal, open_terminal


def _stored(sandbox: CliSandbox) -> dict[str, Any]:
    name = sandbox.stack.outputs["SuperOfficeSecretArn"]
    content: dict[str, Any] = json.loads(
        sandbox.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    )
    return content


def _answer(terminal: Terminal, *dialogue: tuple[str, object]) -> None:
    for question, text in dialogue:
        terminal.answer(question, str(text))


def _place(terminal: Terminal, number: int, scheme: str) -> None:
    """Answers where SuperOffice is, and picks the scheme by the number that its line shows."""
    _answer(terminal, ("Where is your SuperOffice?", "none"), ("Type a number from 1 to 2.", number))
    terminal.wait_for("How does the function log in?")
    terminal.wait_for(SCHEME_DESCRIPTIONS[scheme])
    (line,) = [line for line in terminal.output.splitlines() if line.endswith(SCHEME_DESCRIPTIONS[scheme])]
    terminal.answer("Number", line.split()[0])


def test_every_scheme_is_described() -> None:
    assert SCHEME_DESCRIPTIONS.keys() == SCHEMES.keys()


def test_a_system_user_is_asked_for_step_by_step(sandbox: CliSandbox, tmp_path: Path) -> None:
    secret = sandbox.superoffice.secret("system_user")
    (tmp_path / "partner.pem").write_text(secret["private_key"])
    arguments = ("secret", "put", "--login-url", secret["login_url"])
    with open_terminal(*arguments, environment=sandbox.stack.aws.environment()) as terminal:
        _place(terminal, 1, "system_user")
        _answer(
            terminal,
            ("Number", 3),
            ("Context identifier", secret["context_identifier"]),
            ("Client secret", secret["client_secret"]),
            ("System user token", secret["system_user_token"]),
            ("File with the private key", tmp_path / "absent.pem"),
        )
        terminal.wait_for("not a readable text file")
        terminal.answer("File with the private key", str(tmp_path / "partner.pem"))
        terminal.wait_for("Stored: system_user for")
        terminal.wait_for("image-ingest upload me.jpg --entity person --id 123 --wait")
        assert terminal.finish() == 0
    assert secret["client_secret"] not in terminal.output
    assert secret["system_user_token"] not in terminal.output
    assert _stored(sandbox) == secret


def test_a_wrong_answer_is_asked_for_again(sandbox: CliSandbox) -> None:
    secret = sandbox.superoffice.secret("basic")
    with open_terminal("secret", "put", environment=sandbox.stack.aws.environment()) as terminal:
        _place(terminal, 2, "basic")
        _answer(
            terminal,
            ("Address of the API", "http://crm.example.com/api"),
            ("User name", secret["username"]),
            ("Password", secret["password"]),
        )
        terminal.wait_for("base_url must")
        terminal.answer("Address of the API", secret["base_url"])
        terminal.wait_for("Stored: basic for")
        assert terminal.finish() == 0
    assert secret["password"] not in terminal.output
    assert _stored(sandbox) == secret


def test_a_secret_from_a_file_environment_and_options_is_stored(
    sandbox: CliSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = sandbox.superoffice.secret("system_user")
    key = tmp_path / "partner.pem"
    key.write_text(secret["private_key"])
    part = tmp_path / "part.json"
    part.write_text(json.dumps({"login_url": secret["login_url"], "system_user_token": secret["system_user_token"]}))
    online = ("--environment", "sod", "--context-identifier", secret["context_identifier"])
    arguments = ("secret", "put", "system_user", "--from", part, "--private-key", key, *online)
    assert "client_secret is missing" in sandbox.run(*arguments, expect=1).err
    monkeypatch.setenv("IMAGE_INGEST_CLIENT_SECRET", secret["client_secret"])
    run = sandbox.run(*arguments)
    assert secret["client_secret"] not in run.out + run.err
    assert run.out.endswith("image-ingest upload me.jpg --entity person --id 123 --wait\n")
    assert _stored(sandbox) == secret


def test_a_credential_that_superoffice_refuses_is_not_stored(sandbox: CliSandbox, tmp_path: Path) -> None:
    before = _stored(sandbox)
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({**sandbox.superoffice.secret("basic"), "password": "wrong"}))
    refused = sandbox.run("secret", "put", "--from", file, expect=1)
    assert "The credential is not accepted." in refused.err
    assert "401" in refused.err
    assert _stored(sandbox) == before
    sandbox.run("secret", "put", "--from", file, "--no-check")
    assert _stored(sandbox)["password"] == "wrong"


def test_an_unreachable_superoffice_is_named(sandbox: CliSandbox, tmp_path: Path) -> None:
    before = _stored(sandbox)
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({**sandbox.superoffice.secret("basic"), "base_url": "http://127.0.0.1:9/api"}))
    refused = sandbox.run("secret", "put", "--from", file, expect=1)
    assert "Nothing was stored." in refused.err
    assert _stored(sandbox) == before


def test_placeholders_are_no_values(sandbox: CliSandbox, tmp_path: Path) -> None:
    file = tmp_path / "secret.json"
    file.write_text(sandbox.run("secret", "template", "system_user").out)
    refused = sandbox.run("secret", "put", "--from", file, expect=1)
    assert "still contains placeholders: client_secret, system_user_token, private_key." in refused.err


def test_without_a_terminal_the_scheme_must_be_named(sandbox: CliSandbox) -> None:
    assert "Name the scheme: basic" in sandbox.run("secret", "put", expect=2).err
