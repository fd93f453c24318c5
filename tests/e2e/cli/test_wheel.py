"""The command line as a package: built as a wheel, and installed where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from image_ingest import __version__
from tests import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "functions", "layers", "image_ingest_cli", "tests", "sandbox")
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=CLEAN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as the build writes into the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        place = ROOT / name
        copy = shutil.copytree if place.is_dir() else shutil.copyfile
        copy(place, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", built, ".", cwd=source)
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_has_the_command_line_and_the_function_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "image_ingest",
        "image_ingest_cli",
    }
    modules = {
        str(path.relative_to(root))
        for root, package in ((ROOT / "functions", "image_ingest"), (ROOT, "image_ingest_cli"))
        for path in (root / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules


def test_it_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python, command = environment / "bin/python", environment / "bin/image-ingest"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-compile", wheel, cwd=tmp_path)
    assert run(command, "--version", cwd=tmp_path).split()[-1] == __version__
    usage = run(command, "--help", cwd=tmp_path)
    assert {"upload", "status", "explain", "resend", "doctor"} <= set(usage.split())
    assert "--stack" in run(command, "upload", "--help", cwd=tmp_path)
