"""What `sam build` makes: the right machine code, bytecode that Lambda takes, nothing superfluous, twice the same."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.lambda_runtime import ARCHITECTURES, Built, this_machine
from tests import ROOT
from tests.lambda_runtime.build_artifacts import build_directly, digests, files

MIB = 2**20
ELF_MACHINES = {"x86_64": 62, "arm64": 183}
SERVICES = {"dynamodb", "events", "s3", "secretsmanager", "sqs"}
UNCHECKED_HASH = 1  # PEP 552: the flags after the magic number


@pytest.fixture(params=ARCHITECTURES)
def package(request: pytest.FixtureRequest, built: dict[str, Built]) -> Built:
    return built[request.param]


def both(package: Built) -> list[Path]:
    return [*files(package.function), *files(package.layer)]


def zipped(folder: Path) -> int:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files(folder):
            archive.write(path, path.relative_to(folder))
    return len(buffer.getvalue())


def unzipped(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def test_the_packages_keep_to_their_budgets(package: Built) -> None:
    assert zipped(package.function) <= 15 * MIB
    assert unzipped(package.function) <= 45 * MIB
    assert unzipped(package.layer) <= 55 * MIB


def test_all_machine_code_is_for_the_architecture(package: Built) -> None:
    heads = {path: path.read_bytes()[:20] for path in both(package)}
    machines = {path.name: head[18] for path, head in heads.items() if head.startswith(b"\x7fELF")}
    assert {"_rust.abi3.so", "_cffi_backend"} <= {name.partition(".cpython")[0] for name in machines}
    assert set(machines.values()) == {ELF_MACHINES[package.architecture]}


def test_every_module_ships_with_bytecode_that_lambda_takes_as_it_is(package: Built) -> None:
    magic = (package.function / "image_ingest/__pycache__/app.cpython-313.pyc").read_bytes()[:4]
    for folder, place in ((package.function, "/var/task"), (package.layer, "/opt")):
        for source in (path for path in files(folder) if path.suffix == ".py"):
            bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
            content = bytecode.read_bytes()
            assert (content[:4], content[4]) == (magic, UNCHECKED_HASH), bytecode
            assert f"{place}/{source.relative_to(folder)}".encode() in content
            assert str(folder).encode() not in content


def test_only_what_the_function_needs_ships(package: Built) -> None:
    places = [str(path.relative_to(package.function)) for path in files(package.function)]
    assert {path.parts[0] for path in map(Path, places) if path.parts[0].startswith("image_")} == {"image_ingest"}
    assert not [place for place in places if re.search(r"(^|/)tests?/|\.pyi$|^bin/|/RECORD$|^requirements", place)]
    assert {path.name for path in package.function.glob("botocore/data/*/")} == SERVICES
    assert not [path for path in package.function.glob("*") if path.name in {"PIL", "pillow_heif", "aws_xray_sdk"}]
    assert {path.name for path in package.layer.iterdir()} == {"python"}
    assert (package.layer / "python/pillow_heif/__init__.py").is_file()


def test_everything_is_readable_for_lambda_whatever_the_umask(package: Built) -> None:
    assert {path.stat().st_mode & 0o777 for path in both(package)} == {0o644, 0o755}


@pytest.mark.parametrize("part", ["function", "layer"])
def test_two_builds_are_equal(built: dict[str, Built], part: str, tmp_path: Path) -> None:
    architecture = this_machine()
    again = build_directly(part, tmp_path / "again", {"ARCHITECTURE": architecture, "PYTHONHASHSEED": "7"})
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path / "again") == digests(getattr(built[architecture], part))


def test_the_build_does_not_guess_the_architecture(tmp_path: Path) -> None:
    for environment in ({"ARCHITECTURE": ""}, {"ARCHITECTURE": "riscv"}):
        refused = build_directly("layer", tmp_path / "a/b/layer", environment)
        assert (refused.returncode, refused.stderr) == (
            1,
            "Build failed: Say for which processor to build: set ARCHITECTURE to x86_64 or arm64.\n",
        )


def test_the_build_does_not_mix_into_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "leftover").touch()
    refused = build_directly("layer", tmp_path, {"ARCHITECTURE": "arm64"})
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr


def test_machine_code_for_another_processor_fails_the_build(built: dict[str, Built], tmp_path: Path) -> None:
    code = "import build, sys; build._check_machine(build.Path(sys.argv[1]), sys.argv[2])"

    def check(folder: Path, architecture: str) -> str:
        command = [sys.executable, "-c", code, str(folder), architecture]
        return subprocess.run(command, cwd=ROOT / "layers", capture_output=True, text=True, check=False).stderr

    assert check(built["arm64"].layer, "arm64") == ""
    assert "Not for x86_64: " in check(built["arm64"].layer, "x86_64")
    assert "no library was found to tell by" in check(tmp_path, "arm64")


@pytest.mark.parametrize("folder", ["functions", "layers/pillow"])
def test_the_lock_has_what_the_requirements_ask_for_with_a_hash_for_every_wheel(folder: str) -> None:
    asked = set(
        re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / folder / "requirements.txt").read_text().lower(), re.MULTILINE)
    )
    text = (ROOT / folder / "requirements.lock").read_text()
    locked = {
        pin: len(hashes.split())
        for pin, hashes in re.findall(r"^(\S+==\S+)((?: \\\n    --hash=\S+)+)$", text, re.MULTILINE)
    }
    assert asked
    assert asked <= {pin.replace("_", "-") for pin in locked}
    assert all(locked.values())
    assert len(locked) == len(re.findall("==", text))
    assert "://" not in text


def test_the_repository_s_metadata_has_the_code_s_version() -> None:
    code = (ROOT / "functions/image_ingest/__init__.py").read_text()
    template = (ROOT / "template.yaml").read_text()
    assert re.findall(r"SemanticVersion: (\S+)", template) == re.findall(r'__version__ = "(.+)"', code)
