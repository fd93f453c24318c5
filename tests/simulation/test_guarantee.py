"""The delivery guarantee (docs/guarantee.md), searched for a history that breaks it.

MODEL_HISTORIES=100000 searches longer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from tests.simulation.model import history
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.promises import PromiseBroken
from tests.simulation.search import broken, numbers, search, shortened
from tests.support import faults

HISTORIES = int(os.environ.get("MODEL_HISTORIES", "700"))


@dataclass(frozen=True)
class Histories:
    """What was met in the histories of the model, and the first that breaks a promise."""

    broken: list[int] | None
    faults: set[str]
    outcomes: set[str]


@pytest.fixture(scope="module")
def histories() -> Histories:
    met, outcomes = set[str](), set[str]()
    for choices in map(numbers, range(HISTORIES)):
        try:
            world = history(choices)
        except PromiseBroken:
            return Histories(choices, met, outcomes)
        met |= {line.rpartition(": ")[2] for line in world.log}
        outcomes |= {*world.promises.outcomes}
    return Histories(None, met, outcomes)


def test_every_history_keeps_the_promises(histories: Histories) -> None:
    assert histories.broken is None, broken(shortened(histories.broken, broken))


def test_the_search_meets_every_fault_and_every_outcome(histories: Histories) -> None:
    every_fault = {*faults.READ, *faults.SEND, *faults.WRITE, *faults.DECODE, *faults.PUT}
    every_outcome = {"stored", "unchanged", "duplicate", "superseded", "removed", "ignored", "rejected", "deferred"}
    assert not every_fault - histories.faults
    assert not every_outcome - histories.outcomes


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.without)
def test_without_a_safeguard_a_promise_is_seen_to_break(mutant: Mutant) -> None:
    assert search([mutant.number, *range(2000)], mutant.code, mutant.focus) is not None


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
