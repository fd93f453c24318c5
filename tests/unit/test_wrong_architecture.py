"""A package for another processor is recognised by one of its libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_ingest.architecture import WrongArchitecture, check_architecture

ELF = {"x86_64": 62, "arm64": 183}


def layer(folder: Path, architecture: str) -> str:
    library = folder / "PIL/_imaging.cpython-313-linux-gnu.so"
    library.parent.mkdir()
    library.write_bytes(b"\x7fELF".ljust(18, b"\0") + ELF[architecture].to_bytes(2, "little"))
    return str(folder)


@pytest.mark.parametrize(("built", "machine", "runs"), [("arm64", "x86_64", "x86_64"), ("x86_64", "aarch64", "arm64")])
def test_another_processor_is_named_with_the_commands(tmp_path: Path, built: str, machine: str, runs: str) -> None:
    with pytest.raises(WrongArchitecture) as caught:
        check_architecture(["/nowhere", layer(tmp_path, built)], machine)
    assert f"built for {built}, but the function runs on {runs}" in str(caught.value)
    assert f"Set Architecture={runs} in samconfig.toml, then run: sam build && sam deploy" in str(caught.value)


@pytest.mark.parametrize(("built", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64"), ("arm64", "riscv64")])
def test_the_right_and_an_unknown_processor_pass(tmp_path: Path, built: str, machine: str) -> None:
    check_architecture([layer(tmp_path, built)], machine)


def test_this_machine_s_own_packages_pass() -> None:
    check_architecture()
    check_architecture([])
