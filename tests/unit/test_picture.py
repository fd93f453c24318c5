"""What prepare() makes of ordinary pictures."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.picture import Picture, prepare
from image_ingest.settings import PictureSettings


def _bytes(image: Image.Image, encoder: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, encoder)
    return buffer.getvalue()


def _prepare(source: bytes, **settings: object) -> Picture:
    return prepare(source, PictureSettings(**settings), Deadline(30))  # type: ignore[arg-type] # keywords of the test


def test_a_photo_is_bounded() -> None:
    picture = _prepare(_bytes(Image.linear_gradient("L").resize((2000, 1000)).convert("RGB"), "JPEG"), max_width=500)
    assert (picture.content_type, picture.width, picture.height, picture.source_format) == (
        "image/jpeg",
        500,
        250,
        "JPEG",
    )
    with Image.open(BytesIO(picture.data), formats=("JPEG",)) as again:
        assert again.size == (500, 250)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        _prepare(b"%PDF-1.7")
    assert refusal.value.code == "image.unsupported-format"


def test_without_time_left_it_is_deferred() -> None:
    with pytest.raises(Deferred) as deferral:
        prepare(_bytes(Image.new("RGB", (9, 9)), "PNG"), PictureSettings(), Deadline(0.1))
    assert deferral.value.code == "worker.out-of-time"
