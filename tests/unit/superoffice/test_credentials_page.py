"""The page about credentials keeps to what the function accepts: its examples are valid, its tables complete."""

from __future__ import annotations

import json
import re

import pytest

from image_ingest.superoffice import SCHEMES, parse_secret
from image_ingest.superoffice.system_user import REASONS
from sandbox.superoffice import get_private_pem
from tests import ROOT

PAGE = ROOT.joinpath("docs", "credentials.md").read_text(encoding="utf-8")
EXAMPLES = {text["auth"]: text for text in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}


@pytest.mark.parametrize("auth", SCHEMES)
def test_the_example_of_every_scheme_is_valid_once_its_blanks_are_filled(auth: str) -> None:
    filled = {name: value.replace("…", "x") for name, value in EXAMPLES[auth].items()}
    if auth == "system_user":
        filled["private_key"] = get_private_pem("partner")
    parse_secret(json.dumps(filled))


def test_every_field_and_every_reason_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {name for rules in SCHEMES.values() for name in rules.fields} <= explained
    assert {"base_url", "environment", "context_identifier", "login_url", "ca_bundle"} <= explained
    assert all(f"| `{reason}` |" in PAGE for reason in REASONS)


def test_tokens_and_system_users_are_recommended_for_online_only() -> None:
    rows = re.findall(r"^\| ([^|]*nsite[^|]*) \|([^|]*)\|", PAGE, re.MULTILINE)
    assert len(rows) >= 2
    documented_onsite = {name for _, schemes in rows for name in re.findall(r"`(\w+)`", schemes)}
    assert documented_onsite == {"basic", "ticket", "session"}
    assert "(`bearer`, `refresh_token`) and system users (`system_user`) for Online only" in PAGE
