"""Every odd and hostile file ends stored and sound, or refused with its code, within memory and time.

The filter of system calls changes nothing about that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_ingest.picture.isolation import ForkServer
from tests.pictures.checks import check_fields, opened
from tests.pictures.confined import UNCONFINED, describe, describe_picture
from tests.pictures.corpus import CORPUS
from tests.pictures.endings import Ending, Run, run_corpus
from tests.pictures.scene import Sample

MEBIBYTES = 1024
SECONDS = 5.0
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from Linux")
SLOW = {"bmp-one-by-one"}  # stopped by its computing time, with and without the filter


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_corpus(MEBIBYTES, tmp_path_factory.mktemp("corpus") / "run")


@pytest.fixture(scope="module")
def unconfined() -> Iterator[ForkServer]:
    yield UNCONFINED
    UNCONFINED.stop()


@pytest.mark.parametrize("sample", CORPUS, ids=lambda sample: sample.name)
def test_every_file_ends_well(sample: Sample, run: Run) -> None:
    ending = run.endings[sample.name]
    assert not ending.unsound
    if ending.picture is None:
        assert ending.code in sample.outcome, ending.message
        return
    assert ending.picture.content_type in sample.outcome
    if sample.fields:
        check_fields(opened(ending.picture), sample.fields, sample.tolerance)


@pytest.mark.parametrize("sample", [each for each in CORPUS if each.name not in SLOW], ids=lambda each: each.name)
def test_without_the_filter_it_ends_the_same(sample: Sample, run: Run, unconfined: ForkServer) -> None:
    assert describe(sample.make(), unconfined) == _describe(run.endings[sample.name])


def _describe(ending: Ending) -> str:
    return describe_picture(ending.picture) if ending.picture else f"{ending.code}: {ending.message}"


@LINUX
def test_every_file_stays_within_the_functions_memory_and_five_seconds(run: Run) -> None:
    check_bounds(run, MEBIBYTES)


@LINUX
def test_with_little_memory_the_files_stay_within_it_too(tmp_path: Path) -> None:
    check_bounds(run_corpus(320, tmp_path / "run"), 320)


def check_bounds(run: Run, mebibytes: int) -> None:
    assert run.memory < mebibytes * 1024
    seconds = {name: ending.seconds for name, ending in run.endings.items()}
    assert max(seconds.values()) < SECONDS, seconds
