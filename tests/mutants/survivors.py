"""The survivors that are accepted, each with its reason: survivors.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from tests import ROOT
from tests.mutants.mutations import Mutant

_FILE = Path(__file__).with_name("survivors.toml")


def is_accepted(mutant: Mutant) -> bool:
    """Whether the file gives a reason for this change, or for any change of this line."""
    file, before, after = mutant.key(ROOT)
    return not _read_reasons().keys().isdisjoint({(file, before, after), (file, before, None)})


@cache
def _read_reasons() -> dict[tuple[str, str, str | None], str]:
    listed = tomllib.loads(_FILE.read_text()).get("survivor", [])
    for entry in listed:
        assert entry["kind"] in {"equivalent", "harmless"}, entry
        assert "after" in entry or entry["kind"] == "harmless", entry
    return {(entry["file"], entry["before"], entry.get("after")): entry["reason"] for entry in listed}
