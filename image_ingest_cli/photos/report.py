"""What happened to each file, as rows for the screen, JSON and CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from image_ingest.errors import CATALOGUE
from image_ingest.target import Target
from image_ingest_cli.aws.follow import FollowedUpload
from image_ingest_cli.aws.transfer import Transfer
from image_ingest_cli.diagnosis.letter_text import list_advice
from image_ingest_cli.terminal.console import print_json, print_table, print_text
from image_ingest_cli.terminal.options import format_stack_option
from image_ingest_cli.terminal.records import describe_target
from image_ingest_cli.terminal.spreadsheet import save_csv

_COLUMNS = (
    *("line", "file", "entity_type", "entity_id", "key", "version_id"),
    *("action", "outcome", "blob_id", "error_code", "message", "advice"),
)
_SHOWN = 50  # failures on the screen


def build_rows(
    transfers: Sequence[Transfer], followed: Sequence[FollowedUpload] | None, stack_name: str
) -> list[dict[str, Any]]:
    """One row for each transfer, with its outcome if it was followed."""
    return [_build_row(one, followed[i] if followed else None, stack_name) for i, one in enumerate(transfers)]


def show_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, followed: bool) -> None:
    """Prints failures and totals, or everything as JSON."""
    counts = Counter(row["action"] for row in rows)
    outcomes = Counter(row["outcome"] for row in rows if row["outcome"])
    if as_json:
        print_json({"uploads": rows, "actions": counts, "outcomes": outcomes})
        return
    failures = [row for row in rows if row["action"] == "failed" or row["outcome"] in {"rejected", "waiting"}]
    if failures:
        columns = ["file", "for", "outcome", "reason", "what to do"]
        print_table(columns, [_show_failure(row) for row in failures[:_SHOWN]])
    if len(failures) > _SHOWN:
        print_text(f"… and {len(failures) - _SHOWN} more; --report FILE writes them all.")
    print_text(f"{describe_counts(counts)}.")
    if followed:
        print_text(f"Outcomes: {describe_counts(outcomes) or 'none'}.")


def save_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes the rows as CSV."""
    save_csv(path, _COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])


def describe_counts(counts: Counter[str]) -> str:
    """`2 rejected, 3 stored`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _build_row(transfer: Transfer, followed: FollowedUpload | None, stack_name: str) -> dict[str, Any]:
    ending = followed.ending if followed else None
    state = ending or followed
    code, message = (state.code, state.message) if state else (None, None)
    photo, identity = transfer.photo, transfer.identity
    is_waiting = followed is not None and ending is None and identity is not None
    return {
        "line": photo.line,
        "file": photo.name,
        "entity_type": photo.target.entity_type,
        "entity_id": photo.target.entity_id,
        "key": photo.key,
        "version_id": identity.version_id if identity else None,
        "action": transfer.action,
        "outcome": ending.outcome if ending else "waiting" if is_waiting else None,
        "blob_id": ending.blob_id if ending else None,
        "error_code": code,
        "message": transfer.problem or message,
        "advice": " ".join(_advise(code, photo.target, stack_name, is_waiting=is_waiting)) or None,
    }


def _advise(code: str | None, target: Target, stack_name: str, *, is_waiting: bool) -> list[str]:
    if not is_waiting:
        return list_advice(code, stack_name) if code in CATALOGUE else []
    advice = [CATALOGUE[code].advice] if code in CATALOGUE else []
    explain = f"image-ingest explain {describe_target(target)}{format_stack_option(stack_name)}"
    return [*advice, f"It is retried automatically. Check again later: {explain}"]


def _show_failure(row: dict[str, Any]) -> list[Any]:
    reason = ": ".join(filter(None, [row["error_code"], row["message"]]))
    record = f"{row['entity_type']} {row['entity_id']}"
    return [row["file"], record, row["outcome"] or row["action"], reason, row["advice"]]
