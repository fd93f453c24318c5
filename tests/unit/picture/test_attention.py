"""`IMAGE_CROP=attention` keeps faces of every skin tone, however the picture is stored."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageStat

from image_ingest.picture.attention import move_crop
from image_ingest.picture.geometry import plan_resize
from image_ingest.settings import Crop, PictureSettings
from tests.pictures.checks import opened, prepared
from tests.pictures.makers import HOW_STORED, encoded, exif
from tests.pictures.portraits import BACKGROUNDS, TONES, Portrait, choose_portraits, draw_portrait, draw_portraits
from tests.pictures.scene import heic, noise

SQUARE = PictureSettings(max_width=300, max_height=300, fit="cover", crop="attention")


def measure_cut(portrait: Portrait, settings: PictureSettings = SQUARE) -> float:
    """The share of the face that the crop loses on one side."""
    plan = plan_resize(portrait.image.size, settings, sideways=False)
    left, top, right, bottom = move_crop(plan, portrait.image, 1).box
    x, y, far_x, far_y = portrait.face
    return max(
        0.0,
        (left - x) / (far_x - x),
        (far_x - right) / (far_x - x),
        (top - y) / (far_y - y),
        (far_y - bottom) / (far_y - y),
    )


def test_a_face_of_any_tone_is_kept_before_any_background() -> None:
    cut = {portrait.name: measure_cut(portrait) for portrait in draw_portraits()}
    assert len(cut) == len(TONES) * len(BACKGROUNDS)
    assert {name: share for name, share in cut.items() if share > 0.1} == {}
    assert sum(share > 0.02 for share in cut.values()) <= 3, cut


@pytest.mark.parametrize("height", [300, 150])  # the latter crops above and below in both formats
def test_none_of_the_sixteen_people_in_the_documents_is_cut(height: int) -> None:
    settings = PictureSettings(max_width=300, max_height=height, fit="cover", crop="attention")
    assert [portrait.name for portrait in choose_portraits() if measure_cut(portrait, settings) > 0] == []


def test_at_the_centre_most_of_these_faces_would_be_cut() -> None:
    settings = PictureSettings(max_width=300, max_height=300, fit="cover")
    lost = 0
    for portrait in draw_portraits():
        left, top, right, bottom = plan_resize(portrait.image.size, settings, sideways=False).box
        x, y, far_x, far_y = portrait.face
        lost += not (left <= x and top <= y and far_x <= right and far_y <= bottom)
    assert lost > 60


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("orientation", HOW_STORED)
def test_the_crop_is_the_same_however_the_picture_is_turned(orientation: int, *, upright: bool) -> None:
    portrait = draw_portrait(7, "sky", upright=upright, seed=3)
    turn = HOW_STORED[orientation]
    stored = portrait.image.transpose(turn) if turn is not None else portrait.image
    expected = opened(prepared(encoded(portrait.image, "JPEG", quality=95), SQUARE))
    result = opened(prepared(encoded(stored, "JPEG", quality=95, exif=exif(orientation)), SQUARE))
    assert result.size == (300, 300)
    assert max(ImageStat.Stat(ImageChops.difference(result, expected)).mean) < 6
    assert max(ImageStat.Stat(ImageChops.difference(result, _crop("centre", portrait))).mean) > 12


def _crop(crop: Crop, portrait: Portrait) -> Image.Image:
    settings = PictureSettings(max_width=300, max_height=300, fit="cover", crop=crop)
    return opened(prepared(encoded(portrait.image, "JPEG", quality=95), settings))


def _make_layouts(image: Image.Image) -> dict[str, bytes]:
    see_through = image.convert("RGBA")
    see_through.putalpha(200)
    return {
        "PNG palette": encoded(image.quantize(64), "PNG"),
        "PNG alpha": encoded(see_through, "PNG"),
        "PNG grey": encoded(image.convert("L"), "PNG"),
        "PNG 16 bits": encoded(image.convert("I").point(lambda value: value * 257).convert("I;16"), "PNG"),
        "PNG 1 bit": encoded(image.convert("1"), "PNG"),
        "TIFF CMYK": encoded(image.convert("CMYK"), "TIFF"),
        "HEIC": heic(image, quality=90),
        "WEBP": encoded(image, "WEBP"),
    }


def test_every_layout_of_pixels_is_cropped_where_people_look() -> None:
    portrait = draw_portrait(8, "night", upright=False, seed=41)
    reference = _crop("attention", portrait).convert("L")
    for name, source in _make_layouts(portrait.image).items():
        result = opened(prepared(source, SQUARE))
        assert result.size == (300, 300), name
        shown = result.convert("RGB").convert("L")
        difference = ImageStat.Stat(ImageChops.difference(shown, reference)).mean[0]
        assert difference < 30, (name, difference)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (3, 3), (301, 300), (5000, 20), (1006, 1000)])
def test_pictures_that_are_small_or_narrow_or_nearly_square_are_cropped_too(size: tuple[int, int]) -> None:
    settings = PictureSettings(max_width=16, max_height=16, fit="cover", crop="attention")
    for image in (Image.new("RGB", size, "teal"), noise(3, 3).resize(size)):
        picture = prepared(encoded(image, "PNG"), settings)
        assert (picture.width, picture.height) == (min(16, size[0]), min(16, size[1]))


def test_a_picture_that_is_only_cropped_keeps_its_pixels() -> None:
    image = draw_portrait(5, "grey", upright=False, seed=7).image.resize((300, 201))
    plan = plan_resize(image.size, PictureSettings(max_width=200, max_height=400, fit="cover"), sideways=False)
    moved = move_crop(plan, image, 1)
    assert moved.box != plan.box
    assert (moved.size, moved.box[1::2]) == ((200, 201), (0, 201))
    assert all(edge == int(edge) for edge in moved.box)
