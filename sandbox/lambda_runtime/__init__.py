"""The built function under AWS's own Runtime Interface Emulator, without Docker."""

from sandbox.lambda_runtime.build import (
    ARCHITECTURES,
    LAMBDA_PYTHON,
    SAM,
    Built,
    build_all,
    build_if_changed,
    need,
    this_machine,
)
from sandbox.lambda_runtime.emulator import Emulator
from sandbox.lambda_runtime.isolation import isolate

__all__ = [
    "ARCHITECTURES",
    "LAMBDA_PYTHON",
    "SAM",
    "Built",
    "Emulator",
    "build_all",
    "build_if_changed",
    "isolate",
    "need",
    "this_machine",
]
