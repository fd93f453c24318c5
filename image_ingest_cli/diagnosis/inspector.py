"""The inspection, if this machine can run the picture code."""

from __future__ import annotations

from collections.abc import Callable

from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.errors import CommandError


def load_inspector() -> Callable[..., Inspection]:
    """Returns inspection.inspect. Raises CommandError if the picture code cannot run, as on Windows."""
    try:
        from image_ingest_cli.diagnosis.inspection import inspect
    except ModuleNotFoundError as error:
        raise CommandError(
            f"This machine cannot run the function's own checks (no {error.name}). Use Linux or macOS."
        ) from None
    return inspect
