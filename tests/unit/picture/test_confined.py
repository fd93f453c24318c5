"""The filter of system calls changes the result of no picture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_ingest.picture.isolation import ForkServer
from tests.pictures.confined import UNCONFINED, find_differences
from tests.pictures.corpus import CORPUS
from tests.pictures.scene import Sample

SLOW = {"bmp-one-by-one"}  # stopped by its computing time, with and without


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[ForkServer]:
    yield UNCONFINED
    UNCONFINED.stop()


@pytest.mark.parametrize("sample", [each for each in CORPUS if each.name not in SLOW], ids=lambda each: each.name)
def test_every_file_of_the_corpus_comes_out_the_same(sample: Sample) -> None:
    assert list(find_differences([(sample.name, sample.make())])) == []
