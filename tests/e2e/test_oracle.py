"""Every picture that the tests make looks as Chromium shows it, or the difference has a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pictures.corpus import CORPUS
from tests.pictures.oracle import Oracle
from tests.pictures.scene import Sample
from tests.support.browser import chromium

NOT_SENT = {"jpeg-metadata-flood", "bmp-one-by-one", "heic-long-part"}  # the browser takes half a minute to get each
UNEXPLAINED = ("shown but refused", "size", "colour")
EXPLAINED = {
    "png-exif-at-the-end": "the orientation is applied, as PNG allows it there; Chromium reads it before the pixels",
    "png-bomb-over-the-limit": "bounded: more pixels than IMAGE_MAX_SOURCE_PIXELS, in a few bytes",
    "ico": "not an accepted format",
    "jpeg-scans-of-many-pixels": "bounded: minutes of decoding in a few bytes",
    "jpeg-segments": "bounded: metadata without end",
    "jpeg-fill-flood": "bounded: metadata without end",
    **dict.fromkeys(
        ("bmp-alpha-zero-56", "bmp-alpha-zero-108", "bmp-alpha-zero-124"),
        "opaque, as nobody means a picture that is wholly transparent; Chromium shows nothing",
    ),
    **dict.fromkeys(
        ("jpeg-cut-with-end", "jpeg-grey-cut-with-end", "jpeg-cmyk-cut-with-end", "jpeg-large-and-empty"),
        "rows are missing, which Chromium leaves grey",
    ),
}


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with chromium() as browser:
        yield Oracle(browser.new_page())


@pytest.mark.parametrize("sample", [each for each in CORPUS if each.name not in NOT_SENT], ids=lambda each: each.name)
def test_a_picture_looks_as_chromium_shows_it(sample: Sample, oracle: Oracle) -> None:
    comparison = oracle.compare(sample.name, sample.make())
    differs = comparison.cause in UNEXPLAINED
    assert differs == (sample.name in EXPLAINED), f"{comparison.cause}: {comparison.detail}"
