"""`sam build`, as a user runs it, into any folder."""

from __future__ import annotations

import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from layers.build import RUNTIME, BuildFailed
from tools.commands import ROOT, Unavailable

SAM = ROOT / ".venvs/sam/bin/sam"
LAMBDA_PYTHON = ROOT / ".venvs/lambda/bin/python"
_MISSING = {
    SAM: "The SAM CLI is missing. Install it with: python3 -m tools.install sam",
    LAMBDA_PYTHON: (
        f"Python {RUNTIME}, which Lambda runs, is missing. Install it (uv python install {RUNTIME} --default, "
        f"or pyenv install {RUNTIME}), then run: python3 -m tools.install lambda"
    ),
}
ARCHITECTURES = ("x86_64", "arm64")


@dataclass(frozen=True)
class Built:
    """What `sam deploy` would upload for one architecture."""

    architecture: str
    function: Path
    layer: Path


def this_machine() -> str:
    """Lambda's name for the processor of this machine."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def build_all(folder: Path) -> dict[str, Built]:
    """Builds for both architectures at once. Raises Unavailable, or BuildFailed with SAM's output."""
    need(LAMBDA_PYTHON)
    with ThreadPoolExecutor() as pool:
        built = pool.map(lambda architecture: sam_build(folder / architecture, architecture), ARCHITECTURES)
        return {result.architecture: result for result in built}


def sam_build(folder: Path, architecture: str) -> Built:
    """`sam build` with its artifacts in the folder, which must be new."""
    need(SAM)
    artifacts = folder / "build"  # SAM keeps its notes beside it
    overrides = ["--parameter-overrides", f"Architecture={architecture}"]
    command = [str(SAM), "build", "--build-dir", str(artifacts), *overrides]
    quiet = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-north-1"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailed(f"sam build failed:\n{done.stdout}\n{done.stderr}")
    return Built(architecture, artifacts / "ImageIngestFunction", artifacts / "PillowLayer")


def need(tool: Path) -> None:
    """Raises Unavailable with the line that installs it."""
    if not tool.exists():
        raise Unavailable(_MISSING[tool])
