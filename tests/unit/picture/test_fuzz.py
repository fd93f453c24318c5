"""Damaged files, the same each time; `make fuzz` tries more of them for longer."""

from __future__ import annotations

from tests.pictures.fuzz import run


def test_damaged_files_end_stored_and_sound_or_refused() -> None:
    counts = run(seed=20_260, files=150, seconds=60)
    assert counts.total() == 150
    assert {"image/jpeg", "image/png", "image.unreadable"} <= counts.keys()
