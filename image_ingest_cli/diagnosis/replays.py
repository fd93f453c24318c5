"""What a replay of dead letters would do now."""

from __future__ import annotations

from collections.abc import Sequence

from image_ingest.events import UNRECOGNISED, Unrecognised
from image_ingest.ledger import compare
from image_ingest.target import Target
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.inspector import load_inspector
from image_ingest_cli.diagnosis.prediction import Inspection, Prediction
from image_ingest_cli.errors import CommandError
from image_ingest_cli.terminal.console import print_note
from image_ingest_cli.terminal.progress import show_progress

_WORST_FIRST = (
    *("rejected", "deferred", "ignored", "kept", "superseded"),
    *("duplicate", "unchanged", "removed", "stored"),
)
_CHANGES = ("stored", "removed")


def predict_replays(stack: Stack, letters: Sequence[DeadLetter]) -> dict[str, Prediction]:
    """The result of replaying all of these now, by message id; empty if this machine cannot run the checks."""
    try:
        inspect = load_inspector()
    except CommandError as error:
        print_note(f"Without predictions: {error}", "yellow")
        return {}
    inspections: dict[str, list[Inspection]] = {}
    with show_progress("Checking", len(letters)) as steps:
        for letter in letters:
            past_picture = (letter.code or "").startswith("superoffice.")
            inspections[letter.id] = [inspect(stack, one, past_picture=past_picture) for one in letter.requests]
            steps.advance()
    changes: dict[Target | None, list[Inspection]] = {}
    for inspection in (one for found in inspections.values() for one in found):
        if inspection.prediction.outcome in _CHANGES:
            changes.setdefault(inspection.target, []).append(inspection)
    return {letter.id: _combine(letter, inspections[letter.id], changes) for letter in letters}


def _combine(
    letter: DeadLetter, inspections: Sequence[Inspection], changes: dict[Target | None, list[Inspection]]
) -> Prediction:
    """The worst result of the message's records."""
    predictions = [_compare(inspection, changes.get(inspection.target, ())) for inspection in inspections]
    if any(isinstance(item, Unrecognised) for item in letter.items):
        predictions.append(Prediction("rejected", "event.unrecognised", UNRECOGNISED))
    if not predictions:
        return Prediction("ignored")
    return min(predictions, key=lambda prediction: _WORST_FIRST.index(prediction.outcome))


def _compare(inspection: Inspection, changes: Sequence[Inspection]) -> Prediction:
    """The prediction, unless another of these replays is newer and would change the same target too."""
    if inspection.prediction.outcome in _CHANGES and any(_is_newer(other, inspection) for other in changes):
        return Prediction("superseded", message="A newer dead letter for this target would be carried out.")
    return inspection.prediction


def _is_newer(other: Inspection, inspection: Inspection) -> bool:
    return bool(other.identity and inspection.identity and compare(other.identity, inspection.identity) == "newer")
