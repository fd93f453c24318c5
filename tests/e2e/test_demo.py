"""`make demo` as its visitors see it: what it prints, its exit status, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from sandbox.demo.album import make_album
from tests import ROOT


@contextmanager
def demo(folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The running demo, its temporary files and its contact sheet in `folder`."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"PHOTO", "AUTH"}},
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'functions'}",
        "TMPDIR": str(folder / "tmp"),
        "HTTP_PROXY": "http://127.0.0.1:9",  # a visitor's settings that must have no effect
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        **(variables or {}),
    }
    (folder / "tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sandbox.demo"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that live in the folder."""
    listing = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(folder) in line]


def assert_nothing_left(folder: Path) -> None:
    assert processes_of(folder) == []
    assert list((folder / "tmp").iterdir()) == []


def test_the_demo_shows_every_outcome_and_a_contact_sheet(tmp_path: Path) -> None:
    photo = tmp_path / "me.png"
    Image.new("RGB", (300, 200), "navy").save(photo)
    with demo(tmp_path, {"PHOTO": str(photo)}) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    for upload in [*make_album(), *make_album(photo)[:1]]:
        assert upload.name in output
        assert upload.expected in output
    assert "Upload the picture in one of these formats." in output
    for option in ("RemoveWhenDeleted", "ReplacePictures=own", "OutcomeEventBus"):
        assert len([line for line in output.splitlines() if line.split()[:1] == [option]]) == 1, output
    assert "WRONG" not in output
    with Image.open(tmp_path / "demo.png") as sheet:
        assert sheet.width > 1000
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("variables", [{"AUTH": "magic"}, {"PHOTO": "no-such-file.jpg"}])
def test_wrong_variables_are_wrong_usage(tmp_path: Path, variables: Mapping[str, str]) -> None:
    with demo(tmp_path, variables) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert next(iter(variables)) in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_stopped_it_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "template.yaml is deployed" in line:
                break
        assert processes_of(tmp_path) != []
        process.send_signal(number)
        process.wait(timeout=30)
        wait_until_gone(tmp_path)
    assert process.returncode in {130, 128 + number, -number}
    assert_nothing_left(tmp_path)


def wait_until_gone(folder: Path) -> None:
    """A killed demo cannot clean up; its guard does it."""
    end = time.monotonic() + 20
    while (processes_of(folder) or any((folder / "tmp").iterdir())) and time.monotonic() < end:
        time.sleep(0.1)
