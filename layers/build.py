"""Builds what Lambda runs: hash-locked packages for the right processor, pruned, with bytecode; for `sam build` and CI.

python3 layers/build.py function|layer FOLDER    builds into an empty folder
python3 layers/build.py lock                     writes the lock files again from the requirements files
python3 layers/build.py python                   says which interpreter of the runtime's version this machine has
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = "3.13"  # of template.yaml; bytecode is good for this version only
MACHINES = {"x86_64": ("x86_64", 62), "arm64": ("aarch64", 183)}  # Lambda's name: the wheels' name, ELF's e_machine
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")  # Amazon Linux 2023 has glibc 2.34
SERVICES = frozenset({"dynamodb", "events", "s3", "secretsmanager", "sqs"})  # the AWS clients that the function makes
SERVICE_FILES = ("service-2.", "endpoint-rule-set-1.")
INSTALLATION_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # true of pip's folder, not of this one


class BuildFailed(Exception):
    """The build stopped; the message says what to do."""


@dataclass(frozen=True)
class Part:
    """One thing that Lambda unpacks: where its requirements are, where Lambda unpacks it, and below which folder."""

    logical_id: str
    source: Path
    unpacked: str
    folder: str = "."

    @property
    def lock(self) -> Path:
        """Every package with its version and its hashes for both processors."""
        return self.source / "requirements.lock"


PARTS = {
    "function": Part("ImageIngestFunction", ROOT / "functions", "/var/task"),
    "layer": Part("PillowLayer", ROOT / "layers/pillow", "/opt", "python"),
}


def build(part: Part, artifacts: Path) -> None:
    """Fills the empty folder with all that Lambda unpacks. Raises BuildFailed."""
    artifacts.mkdir(parents=True, exist_ok=True)
    if any(artifacts.iterdir()):
        raise BuildFailed(f"{artifacts} is not empty; name an empty folder.")
    architecture, python = _architecture(part, artifacts), runtime_python()
    packages = artifacts / part.folder
    _install(python, part, architecture, packages)
    _prune(packages)
    if part.logical_id == "ImageIngestFunction":
        _copy_code(part.source, packages)
    _compile(python, artifacts, part.unpacked)
    _open_to_readers(artifacts)
    _check_machine(artifacts, architecture)


def runtime_python() -> str:
    """An interpreter of the runtime's version: on PATH, kept by pyenv or by uv, else installed by uv.

    Raises BuildFailed.
    """
    if (found := next(filter(_is_usable, _interpreters()), None)) is not None:
        return found
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".venvs/uv/bin")
    if uv and (found := _find_by_uv(uv) or _install_by_uv(uv)):
        return found
    raise BuildFailed(
        f"There is no Python {RUNTIME} with pip, which Lambda runs and which compiles its bytecode"
        f"{', and uv could not install one' if uv else ''}. Install it, for example with "
        f"`uv python install {RUNTIME} --default` or `pyenv install {RUNTIME}`."
    )


def _is_usable(interpreter: str) -> bool:
    """Whether it starts (a version manager's shim may not), has the runtime's version, and has pip."""
    command = [interpreter, "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer == RUNTIME


def _interpreters() -> Iterator[str]:
    name = f"python{RUNTIME}"
    for folder in os.get_exec_path():
        if (path := Path(folder, name)).is_file():
            yield str(path)
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    yield from (str(folder / "bin" / name) for folder in sorted(kept.glob(f"{RUNTIME}.*"), reverse=True))


def _find_by_uv(uv: str) -> str:
    """The interpreter among those that uv keeps; empty without one."""
    return _run_uv(uv, "find", UV_PYTHON_PREFERENCE="only-managed")


def _install_by_uv(uv: str) -> str:
    print(f"Installing Python {RUNTIME} with uv, once.", file=sys.stderr, flush=True)
    _run_uv(uv, "install", UV_PYTHON_INSTALL_BIN="0")
    return _find_by_uv(uv)


def _run_uv(uv: str, command: str, **settings: str) -> str:
    asked = [uv, "python", command, RUNTIME]
    return subprocess.run(asked, env=os.environ | settings, capture_output=True, text=True, check=False).stdout.strip()


def _architecture(part: Part, artifacts: Path) -> str:
    """What the variable ARCHITECTURE says, or what SAM notes two folders above the artifacts. Raises BuildFailed."""
    architecture = os.environ.get("ARCHITECTURE") or _architecture_by_sam(part, artifacts.resolve().parents[1])
    if architecture not in MACHINES:
        raise BuildFailed(f"Say for which processor to build: set ARCHITECTURE to {' or '.join(MACHINES)}.")
    return architecture


def _architecture_by_sam(part: Part, folder: Path) -> str | None:
    notes = folder / "build.toml"
    if not notes.is_file():
        return None
    noted = tomllib.loads(notes.read_text(encoding="utf-8"))
    found = {
        definition.get("architecture")
        for kind in ("function_build_definitions", "layer_build_definitions")
        for definition in noted.get(kind, {}).values()
        if part.logical_id in {*definition.get("functions", ()), definition.get("layer")}
    }
    return found.pop() if len(found) == 1 else None


def _wheels_for(architecture: str) -> list[str]:
    machine, _ = MACHINES[architecture]
    abis = (f"cp{RUNTIME.replace('.', '')}", "abi3", "none")
    return [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={RUNTIME}",
        *(f"--abi={abi}" for abi in abis),
        *(f"--platform={platform}_{machine}" for platform in PLATFORMS),
    ]


def _pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *arguments]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        raise BuildFailed("pip could not install the packages; its message is above.")


def _install(python: str, part: Part, architecture: str, packages: Path) -> None:
    where = ["--target", str(packages), "--no-compile", "--require-hashes", "-r", str(part.lock)]
    _pip(python, *_wheels_for(architecture), *where)


def _prune(packages: Path) -> None:
    """Removes what the function never reads: commands, tests, type stubs, and AWS's models of other services."""
    _remove(packages / "bin")
    for path in sorted(packages.rglob("*")):
        is_test = path.is_dir() and path.name in {"tests", "testing"} and path.parent.parent == packages
        installed = path.parent.suffix == ".dist-info" and path.name in INSTALLATION_FILES
        if is_test or installed or path.suffix in {".pyi", ".typed"} or path.name == "py.typed":
            _remove(path)
    for unused in ("boto3/data", "boto3/examples"):
        _remove(packages / unused)
    for path in sorted(packages.glob("botocore/data/*/")):
        if path.name not in SERVICES:
            _remove(path)
    for path in packages.glob("botocore/data/*/*/*"):
        if not path.name.startswith(SERVICE_FILES):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy_code(source: Path, packages: Path) -> None:
    for path in sorted((source / "image_ingest").rglob("*.py")):
        copy = packages / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _compile(python: str, artifacts: Path, unpacked: str) -> None:
    """Adds bytecode that Python takes without looking at the source's date, with the paths that Lambda will show."""
    where = ["-s", str(artifacts), "-p", unpacked, str(artifacts)]
    command = [python, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", *where]
    if subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "0"}, check=False).returncode:
        raise BuildFailed("A source file could not be compiled; the message is above.")


def _open_to_readers(artifacts: Path) -> None:
    """Lambda runs the code as another user, whatever this machine's umask was."""
    for path in (artifacts, *artifacts.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" or ".so." in path.name else 0o644)


def _check_machine(artifacts: Path, architecture: str) -> None:
    """Raises BuildFailed unless there is machine code, and all of it is for this processor."""
    machines = {path: _elf_machine(path) for path in artifacts.rglob("*") if path.is_file()}
    code = {path: machine for path, machine in machines.items() if machine is not None}
    wrong = sorted(str(path) for path, machine in code.items() if machine != MACHINES[architecture][1])
    if wrong or not code:
        raise BuildFailed(f"Not for {architecture}: {', '.join(wrong) or 'no library was found to tell by'}.")


def _elf_machine(path: Path) -> int | None:
    """The header's e_machine; None for what is no ELF file (System V ABI, "ELF Header")."""
    with path.open("rb") as file:
        head = file.read(20)
    return int.from_bytes(head[18:20], "little") if head.startswith(b"\x7fELF") else None


def lock(part: Part, python: str) -> str:
    """The lock file's text: what pip would install now for each processor, with the wheels' hashes."""
    hashes: dict[str, set[str]] = {}
    pins: dict[str, set[str]] = {}
    for architecture in MACHINES:
        for package in _resolved(part, python, architecture):
            name = package["metadata"]["name"].lower().replace("_", "-")
            pins.setdefault(name, set()).add(package["metadata"]["version"])
            hashes.setdefault(name, set()).add(package["download_info"]["archive_info"]["hashes"]["sha256"])
    if split := sorted(name for name, versions in pins.items() if len(versions) > 1):
        raise BuildFailed(f"Not the same version for every processor: {', '.join(split)}.")
    lines = ["# Written by `python3 layers/build.py lock`: all that Lambda unpacks, for arm64 and x86_64."]
    for name in sorted(pins):
        given = [f"    --hash=sha256:{value}" for value in sorted(hashes[name])]
        lines.append(" \\\n".join([f"{name}=={min(pins[name])}", *given]))
    return "\n".join(lines) + "\n"


def _resolved(part: Part, python: str, architecture: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        asked = ["--dry-run", "--ignore-installed", "--target", folder, "--report", str(report)]
        _pip(python, *_wheels_for(architecture), *asked, "-r", str(part.source / "requirements.txt"))
        return list(json.loads(report.read_text())["install"])


def main(arguments: list[str]) -> int:
    """The exit status: 0 done, 1 failed, 2 wrong usage."""
    try:
        match arguments:
            case ["function" | "layer" as name, folder]:
                build(PARTS[name], Path(folder))
            case ["lock"]:
                for part in PARTS.values():
                    part.lock.write_text(lock(part, runtime_python()))
            case ["python"]:
                print(runtime_python())
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except BuildFailed as failure:
        print(f"Build failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
