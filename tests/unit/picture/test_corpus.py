"""Every odd and hostile file ends stored and sound, or refused with its code."""

from __future__ import annotations

import pytest

from image_ingest.errors import Rejected
from image_ingest.picture import Picture
from tests.pictures.checks import check_fields, opened, prepared
from tests.pictures.corpus import CORPUS
from tests.pictures.scene import Sample


@pytest.mark.parametrize("sample", CORPUS, ids=lambda sample: sample.name)
def test_every_file_ends_well(sample: Sample) -> None:
    ending = _ending(sample.make())
    if isinstance(ending, Rejected):
        assert ending.code in sample.outcome, ending.message
        return
    assert ending.content_type in sample.outcome
    if sample.fields:
        check_fields(opened(ending), sample.fields, sample.tolerance)


def _ending(source: bytes) -> Picture | Rejected:
    try:
        return prepared(source)
    except Rejected as refusal:
        return refusal
