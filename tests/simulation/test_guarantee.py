"""The delivery guarantee (docs/guarantee.md), searched for a history that breaks it.

MODEL_HISTORIES=100000 searches longer.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.model import history
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.search import broken, numbers, search, shortened
from tests.support import faults

HISTORIES = int(os.environ.get("MODEL_HISTORIES", "700"))


def test_every_history_keeps_the_promises() -> None:
    found = search(range(HISTORIES))
    assert found is None, broken(shortened(found, broken))


def test_the_search_meets_every_fault_and_every_outcome() -> None:
    faults_left = {*faults.READ, *faults.SEND, *faults.WRITE, *faults.DECODE, *faults.PUT}
    outcomes_left = {"stored", "unchanged", "duplicate", "superseded", "removed", "ignored", "rejected", "deferred"}
    for seed in range(HISTORIES):
        world = history(numbers(seed))
        faults_left -= {line.rpartition(": ")[2] for line in world.log}
        outcomes_left -= {*world.promises.outcomes}
        if not faults_left | outcomes_left:
            return
    assert not faults_left | outcomes_left


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.without)
def test_without_a_safeguard_a_promise_is_seen_to_break(mutant: Mutant) -> None:
    assert search(range(2000), mutant.code, mutant.focus) is not None


def test_a_broken_promise_is_told_in_a_history_that_can_be_read() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.without == "the lease check")

    def breaks(choices: list[int]) -> str | None:
        return broken(choices, mutant.code, mutant.focus)

    found = search(range(2000), mutant.code, mutant.focus)
    assert found is not None
    story = breaks(shortened(found, breaks))
    assert story is not None
    assert story.startswith("4: ")
    assert len(story.splitlines()) < 60
