"""The inspection, where this machine can make one."""

from __future__ import annotations

from collections.abc import Callable

from ops.prediction import Inspection
from ops.trouble import Trouble


def inspector() -> Callable[..., Inspection]:
    """ops.inspection.inspect. Raises Trouble where the function's picture code cannot run, as on Windows."""
    try:
        from ops.inspection import inspect
    except ModuleNotFoundError as error:
        raise Trouble(
            f"This machine cannot run the function's own checks (no {error.name}); use Linux or macOS."
        ) from None
    return inspect
