"""The inspection, where this machine can make one."""

from __future__ import annotations

from collections.abc import Callable

from image_ingest_cli.errors import Trouble
from image_ingest_cli.prediction import Inspection


def inspector() -> Callable[..., Inspection]:
    """Calls inspection.inspect. Raises Trouble where the picture code cannot run, as on Windows."""
    try:
        from image_ingest_cli.inspection import inspect
    except ModuleNotFoundError as error:
        raise Trouble(
            f"This machine cannot run the function's own checks (no {error.name}); use Linux or macOS."
        ) from None
    return inspect
