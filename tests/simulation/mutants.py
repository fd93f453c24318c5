"""The ledger with one of its safeguards taken out, to see that the model notices."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from image_ingest.errors import Deferred, Rejected
from image_ingest.ingest import Ingest
from image_ingest.ledger import Item, Table, TableSlots, claims, records, settling
from image_ingest.superoffice import SlotItem, SlotRequest
from image_ingest.target import Target
from tests.simulation.model import Code
from tests.support import faults


class _EndsUnfenced(Table):
    """A worker ends a claim whoever has it by now."""

    def update(self, target: Target, values: Mapping[str, Any], expected: Mapping[str, object]) -> tuple[bool, Item]:
        return super().update(target, values, expected if "revision" in expected else {"target": str(target)})


class _ClaimsUnfenced(Table):
    """A worker claims whatever happened since it read the item."""

    def update(self, target: Target, values: Mapping[str, Any], expected: Mapping[str, object]) -> tuple[bool, Item]:
        known = expected.get("revision") is not None
        return super().update(target, values, {"target": str(target)} if known else expected)


class _SharesNothing(TableSlots):
    """A worker starts its calls whatever slots the others took."""

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self.restart(request)

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return super().restart(replace(request, earliest=request.now + 3600))


class _RecordsFirst(Ingest):
    """The ledger hears of a refusal before the dead-letter queue does."""

    def _fail(self, item: Any, attempt: Any, failure: Any) -> None:
        final = isinstance(failure, Rejected) or attempt.delivery.last
        try:
            if attempt.claim is not None:
                self._ledger.record_failure(attempt.claim, failure, final=final, in_doubt=attempt.calls.in_doubt)
            if final:
                self._dead_letter(item, attempt, failure)
        except Deferred as trouble:
            failure, final = trouble, False
        attempt.settle("rejected" if final else "deferred", error_code=failure.code, message=failure.message)


class _StoresDeleted(Ingest):
    """An upload is stored although its object was deleted before the claim."""

    def _check_exists(self, obj: Any) -> None: ...


def _change(module: ModuleType, old: str, new: str) -> dict[str, Any]:
    """The module's own source with one place changed, as its names and values."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{module.__name__} has no longer, or not only once: {old}"
    mutant: dict[str, Any] = {**vars(module)}
    exec(compile(source.replace(old, new), f"mutant of {module.__name__}", "exec"), mutant)  # our own source
    return mutant


def _ledger_with(old: str, new: str) -> Code:
    mutant = _change(claims, old, new)
    return Code(ledger=mutant["Ledger"])


def _settling_with(old: str, new: str) -> Code:
    changed = _change(settling, old, new)
    changed["Settled"] = settling.Settled
    return _ledger_using(settle=changed["settle"])


def _reading_with(old: str, new: str) -> Code:
    changed = _change(records, old, new)
    changed |= {name: getattr(records, name) for name in ("StoredPicture", "UploadClaim")}
    return _ledger_using(read_claim=changed["read_claim"])


def _ledger_using(**functions: Any) -> Code:
    mutant = {**vars(claims)}
    exec(compile(inspect.getsource(claims), "claims", "exec"), mutant)
    mutant |= functions
    return Code(ledger=mutant["Ledger"])


@dataclass(frozen=True)
class Mutant:
    """Code without one safeguard, the kind of history in which that shows, and the number of one that showed it.

    The search begins with that number. Where it shows nothing any more, as the code or the model changed, the search
    goes on and takes longer: then write down the number that it finds.
    """

    without: str
    code: Code
    focus: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0


_LATE = {
    "targets": 1,
    "max_attempts": 20,
    "faults_in_hundred": 16,
    "likely_faults": frozenset({faults.LATE, faults.LOST, faults.DIES_LATE}),
}
_DIES = {"faults_in_hundred": 16, "likely_faults": frozenset({faults.DIES, faults.DIES_AFTER}), "pictures": ("broken",)}
_LOST = {
    "targets": 1,
    "keys": 1,
    "uploads": 4,
    "max_attempts": 20,
    "ties": False,
    "skip_unchanged": True,
    "faults_in_hundred": 8,
    "pictures": ("good",),
    "likely_faults": frozenset({faults.LOST}),
}
_TIES = {
    "targets": 1,
    "keys": 1,
    "ties": True,
    "sequencers": False,
    "skip_unchanged": False,
    "extras": 5,
    "faults_in_hundred": 0,
}
_CALM = {"targets": 1, "keys": 1, "faults_in_hundred": 0, "workers": 3, "ties": False}

_CROWD = {"targets": 2, "uploads": 8, "workers": 3, "faults_in_hundred": 0, "pictures": ("good",)}

_REMOVES = {
    "removals": True,
    "deletions": False,
    "moves": False,
    "ties": False,
    "targets": 1,
    "faults_in_hundred": 0,
    "pictures": ("good",),
}

MUTANTS = (
    Mutant(
        "the look at the object after the claim",
        Code(ingest=_StoresDeleted),
        _REMOVES | {"keys": 3, "uploads": 8, "extras": 12, "workers": 3},
        323,
    ),
    Mutant(
        "the wait of a removal for the upload under way",
        _ledger_with("if awaits_upload(item, identity):", "if False:"),
        _REMOVES | {"keys": 2, "uploads": 4, "extras": 8, "workers": 2},
        155,
    ),
    Mutant(
        "the order of a removal",
        _settling_with("if _loses(item, identity, shown):", "if False:"),
        _REMOVES | {"keys": 1, "uploads": 4, "extras": 5},
    ),
    Mutant(
        "the order after a removal",
        _settling_with("if removal is not None and _loses(item, identity, removal):", "if False:"),
        _REMOVES | {"keys": 3, "uploads": 4, "extras": 5},
    ),
    Mutant("the fence of an end", Code(table=_EndsUnfenced), _LATE, 48),
    Mutant("the fence of a claim", Code(table=_ClaimsUnfenced), _CALM),
    Mutant("the order", _settling_with("relation = compare(identity, reference)", 'relation = "newer"')),
    Mutant("the lease check", _ledger_with('if item.get("lease_until", 0) > self._clock():', "if False:")),
    Mutant(
        "the lease of a PUT in doubt",
        _ledger_with(
            'if not in_doubt:\n            values["lease_until"] = None\n        if',
            'if True:\n            values["lease_until"] = None\n        if',
        ),
        _LATE,
        28,
    ),
    Mutant(
        "the lease of a PUT that was sent twice and not recorded",
        _ledger_with(
            "in_doubt = in_doubt or (isinstance(failure, Deferred) and failure.in_doubt)",
            "in_doubt = isinstance(failure, Deferred) and failure.in_doubt",
        ),
        {
            "targets": 1,
            "faults_in_hundred": 32,
            "likely_faults": frozenset({faults.RESENT, faults.REFUSED}),
            "pictures": ("good",),
        },
        488,
    ),
    Mutant("the dead letter before the record", Code(ingest=_RecordsFirst), _DIES),
    Mutant(
        "the doubt after an unanswered PUT",
        _reading_with('in_doubt=bool(item.get("in_doubt")),', "in_doubt=False,"),
        _LOST,
        283,
    ),
    Mutant("the memory of ties", _settling_with('or identity.fingerprint in item.get("ties", ())', ""), _TIES),
    Mutant(
        "the check that a claim never ended",
        _ledger_with(
            'if item.get("status") == "in_progress" and "attempt" in item and item["claim"] not in self._unrecorded:',
            "if item:",
        ),
        number=16,
    ),
    Mutant("the shared slots", Code(slots=_SharesNothing), _CROWD, 63),
)
