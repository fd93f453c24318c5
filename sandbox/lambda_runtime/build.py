"""`sam build`, as a user runs it, into any folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from layers.build import RUNTIME, BuildFailed
from sandbox.tools.commands import ROOT, Unavailable

SAM = ROOT / ".venvs/sam/bin/sam"
LAMBDA_PYTHON = ROOT / ".venvs/lambda/bin/python"
_MISSING = {
    SAM: "The SAM CLI is missing. Install it with: python3 -m sandbox.tools.install sam",
    LAMBDA_PYTHON: (
        f"Python {RUNTIME}, which Lambda runs, is missing. Install it (uv python install {RUNTIME} --default, "
        f"or pyenv install {RUNTIME}), then run: python3 -m sandbox.tools.install lambda"
    ),
}
_BUILT = ROOT / ".aws-sam/built"
_SOURCES = ("template.yaml", "functions", "layers", ".venvs/sam/installed-sam")  # what a build is made from, and with
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


def build_all() -> dict[str, Built]:
    """The built packages for both processors. Raises Unavailable, or BuildFailed with SAM's output."""
    with ThreadPoolExecutor() as pool:
        return {built.architecture: built for built in pool.map(build_if_changed, ARCHITECTURES)}


def build_if_changed(architecture: str) -> Built:
    """The packages of the sources as they are, in `.aws-sam/built`, where they stay until a source changes.

    Who gets them must not change them. Raises Unavailable, or BuildFailed with SAM's output.
    """
    need(SAM)
    need(LAMBDA_PYTHON)
    folder, fingerprint = _BUILT / architecture, _digest_sources()
    _BUILT.mkdir(parents=True, exist_ok=True)
    with (_BUILT / f"{architecture}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        noted = folder / "sources"
        if not noted.exists() or noted.read_text() != fingerprint:
            print(f"Building the function for {architecture}.", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            _sam_build(folder, architecture)
            noted.write_text(fingerprint)
    return _find_built(folder, architecture)


def _sam_build(folder: Path, architecture: str) -> None:
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


def _find_built(folder: Path, architecture: str) -> Built:
    return Built(architecture, folder / "build/ImageIngestFunction", folder / "build/PillowLayer")


def _digest_sources() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        place = ROOT / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(ROOT)} ".encode() + path.read_bytes())
    return digest.hexdigest()


def need(tool: Path) -> None:
    """Raises Unavailable with the line that installs it."""
    if not tool.exists():
        raise Unavailable(_MISSING[tool])
