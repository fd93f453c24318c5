"""The survivors that are accepted, each with its reason: survivors.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

_FILE = Path(__file__).with_name("survivors.toml")


def read_survivors() -> dict[tuple[str, str, str], str]:
    """The reason of each accepted survivor by file, changed lines before, and after."""
    listed = tomllib.loads(_FILE.read_text()).get("survivor", [])
    for entry in listed:
        assert entry["kind"] in {"equivalent", "harmless"}, entry
    return {(entry["file"], entry["before"], entry["after"]): entry["reason"] for entry in listed}
