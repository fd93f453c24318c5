"""As little as needed is decoded, and no shortcut of the resize is visible."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from image_ingest.picture.geometry import PHOTO_MARGIN, Plan, reduce_decoding
from image_ingest.picture.pipeline import shrink_source
from image_ingest.picture.shrinking import shrink
from image_ingest.settings import PictureSettings
from tests.pictures.makers import encoded
from tests.pictures.scene import noise, scene

PHOTO = noise(301, 199)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(
    ("times", "eighths"), [(1.3, 8), (2.7, 8), (2.9, 4), (3.7, 4), (3.8, 3), (5.5, 3), (5.7, 2), (11.1, 2), (11.3, 1)]
)
def test_a_jpeg_is_decoded_at_the_least_size_that_keeps_enough_detail(
    times: float, eighths: int, subsampling: int
) -> None:
    size = round(91 * times), round(70 * times)
    source = encoded(scene(*size), "JPEG", quality=95, subsampling=subsampling)
    image, whole = (Image.open(BytesIO(source)) for _ in range(2))
    factor = reduce_decoding(image, Plan((91, 70), (0, 0, *size)), PHOTO_MARGIN)
    image.load()
    assert factor == 8 / eighths
    assert image.size == tuple(-(-side * eighths // 8) for side in size)
    box = (0, 0, size[0] / factor, size[1] / factor)
    small = image.resize((91, 70), Image.Resampling.LANCZOS, box)
    difference = ImageChops.difference(small, whole.resize((91, 70), Image.Resampling.LANCZOS))
    assert max(ImageStat.Stat(difference).mean) < 3


@pytest.mark.parametrize(
    ("width", "eighths", "resampling"),
    [
        (600, 8, Image.Resampling.BICUBIC),
        (280, 4, Image.Resampling.LANCZOS),  # 1.43 pixels for one
        (270, 4, Image.Resampling.BICUBIC),  # 1.48
        (100, 2, Image.Resampling.BICUBIC),
    ],
)
def test_a_photo_takes_the_quicker_filter_where_that_keeps_its_detail(
    width: int, eighths: int, resampling: Image.Resampling
) -> None:
    source = encoded(noise(800, 600), "JPEG", quality=95)
    bounds = PictureSettings(max_width=width, max_height=width)
    _, small = shrink_source(source, "JPEG", bounds, 2**30)
    whole = Image.open(BytesIO(source))
    whole.draft("RGB", (100 * eighths, 75 * eighths))
    assert small.tobytes() == whole.resize(small.size, resampling).tobytes()


@pytest.mark.parametrize("times", [1.0, 1.7, 3.0, 5.9, 6.1, 9.5])
@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "I;16", "1"])
def test_what_is_converted_in_strips_becomes_what_pillow_makes_of_the_whole(mode: str, times: float) -> None:
    size = 1400, 1100  # three strips and more
    image = noise(*size).convert("L")
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(size))
    image = (
        image.convert("I").point(lambda value: value * 257).convert("I;16") if mode == "I;16" else image.convert(mode)
    )
    result = round(size[0] / times), round(size[1] / times)
    small = shrink(image, Plan(result, (0, 0, *size)))
    whole = {"P": "RGB", "RGBA": "RGBa", "LA": "La", "I;16": "L", "1": "L"}[mode]
    source = noise(*size).convert("L") if mode == "I;16" else image
    expected = source.convert(whole).resize(result, Image.Resampling.LANCZOS)
    assert small.mode == whole
    difference = ImageStat.Stat(ImageChops.difference(_bare(small), _bare(expected)))
    assert max(difference.mean) < (1 if times < 6 else 4)  # noise shows most what the reduction loses
    assert times >= 6 or max(high for _, high in difference.extrema) <= 3


def _bare(image: Image.Image) -> Image.Image:
    """The same bytes in a mode that can be compared."""
    modes = {"RGBa": "RGBX", "La": "LA"}
    return Image.frombytes(modes[image.mode], image.size, image.tobytes()) if image.mode in modes else image


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 301),
    height=st.integers(1, 199),
    left=st.floats(0, 100),
    top=st.floats(0, 60),
)
def test_any_part_becomes_what_pillow_makes_of_it(width: int, height: int, left: float, top: float) -> None:
    box = (left, top, min(301, left + 2.9 * width), min(199, top + 2.9 * height))
    small = shrink(PHOTO, Plan((width, height), box))
    difference = ImageChops.difference(small, PHOTO.resize((width, height), Image.Resampling.LANCZOS, box))
    assert max(ImageStat.Stat(difference).mean) < 1  # Pillow rounds in between, rows or columns first as it sees fit
