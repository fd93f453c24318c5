"""What prepare() makes of pictures: size, orientation, colour, transparency, metadata."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
from io import BytesIO
from typing import Any, cast

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFile, ImageFont, ImageStat
from PIL.JpegImagePlugin import JpegImageFile

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.picture import prepare
from image_ingest.picture.colour.transforms import load_transform
from image_ingest.settings import Fit, PictureSettings
from tests import ROOT
from tests.pictures.checks import check_fields, fields_of, jpeg_markers, opened, prepared
from tests.pictures.makers import HOW_STORED, encoded, exif, many_scans, plain_tiff, segment, tiff, with_segments
from tests.pictures.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    curved_profile,
    grey_profile,
    rgb_profile,
)
from tests.pictures.scene import FIELDS, heic, noise, scene, see_through
from tests.pictures.sound import SOUND


def _stored_as(orientation: int, width: int = 1200, height: int = 800) -> Image.Image:
    turn = HOW_STORED[orientation]
    upright = scene(width, height)
    return upright if turn is None else upright.transpose(turn)


def _with_orientation(orientation: int, encoder: str) -> bytes:
    image = _stored_as(orientation)
    if encoder == "TIFF":
        return plain_tiff(image, orientation=orientation)
    if encoder == "HEIF":
        return heic(image, exif=exif(orientation)[6:], quality=90)
    return encoded(image, encoder, exif=exif(orientation), quality=95)


@pytest.mark.parametrize(
    ("source", "bounds", "fit", "expected"),
    [
        ((2000, 1000), (500, 500), "contain", (500, 250)),
        ((1000, 2000), (500, 400), "contain", (200, 400)),
        ((300, 200), (1024, 1024), "contain", (300, 200)),
        ((1000, 1), (100, 100), "contain", (100, 1)),
        ((1, 1000), (100, 100), "contain", (1, 100)),
        ((1025, 1024), (1024, 1024), "contain", (1024, 1023)),
        ((2000, 1000), (300, 400), "cover", (300, 400)),
        ((300, 200), (1024, 1024), "cover", (300, 200)),
        ((2000, 300), (400, 400), "cover", (400, 300)),
        ((1, 1000), (100, 100), "cover", (1, 100)),
    ],
)
def test_the_result_fits_the_bounds(
    source: tuple[int, int], bounds: tuple[int, int], fit: Fit, expected: tuple[int, int]
) -> None:
    settings = PictureSettings(max_width=bounds[0], max_height=bounds[1], fit=fit)
    for encoder in ("JPEG", "PNG"):
        picture = prepared(encoded(Image.new("RGB", source, (90, 30, 200)), encoder), settings)
        assert (picture.width, picture.height) == expected
        assert (picture.content_type, picture.source_format) == ("image/jpeg", encoder)


@pytest.mark.parametrize("side", [150, 40])  # a JPEG is decoded whole, and at half its size
@pytest.mark.parametrize("encoder", ["PNG", "JPEG"])
@pytest.mark.parametrize("upright", [False, True])
def test_cover_keeps_the_middle(side: int, encoder: str, *, upright: bool) -> None:
    stripes = Image.new("RGB", (900, 300), (255, 0, 0))
    stripes.paste((0, 160, 0), (300, 0, 600, 300))
    if upright:
        stripes = stripes.transpose(Image.Transpose.ROTATE_90)
    settings = PictureSettings(max_width=side, max_height=side, fit="cover")
    picture = prepared(encoded(stripes, encoder), settings)
    low, high = opened(picture).getextrema()[0]  # type: ignore[misc] # RGB has a pair for each band
    assert (picture.width, picture.height, low) == (side, side, 0)
    assert high < 60


@pytest.mark.parametrize("orientation", HOW_STORED)
@pytest.mark.parametrize("encoder", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
def test_every_orientation_comes_out_upright(orientation: int, encoder: str) -> None:
    source = _with_orientation(orientation, encoder)
    for fit, size in (("contain", (240, 160)), ("cover", (240, 200))):
        settings = PictureSettings(max_width=240, max_height=200, fit=fit)  # type: ignore[arg-type] # of Fit
        picture = prepared(source, settings)
        assert (picture.width, picture.height) == size
        check_fields(opened(picture), FIELDS, 20)


def test_an_avif_turned_by_its_container_comes_out_upright() -> None:
    check_fields(opened(prepared(_with_orientation(6, "AVIF"))), FIELDS, 20)


@pytest.mark.parametrize("encoder", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("colorants", [None, ADOBE_RGB])
def test_colours_are_converted_to_srgb(encoder: str, colorants: tuple[tuple[float, float, float], ...] | None) -> None:
    profile = rgb_profile(colorants) if colorants else rgb_profile()
    source = Image.merge(
        "RGB", [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.new("L", (256, 256), 90)]
    )
    expected = _convert(source, profile)
    options = {"lossless": True} if encoder == "WEBP" else {"quality": 95} if encoder == "JPEG" else {}
    result = opened(prepared(encoded(source, encoder, icc_profile=profile, **options)))
    assert max(ImageStat.Stat(ImageChops.difference(result, expected)).mean) < 4
    assert max(ImageStat.Stat(ImageChops.difference(source, expected)).mean) > 6, "the profile would make no difference"


def _every_colour() -> Image.Image:
    """Without the first pixel, so that it is stored in a PNG."""
    levels = (level for y in range(256) for x in range(256) for level in (x, y, (7 * x + 13 * y) % 256))
    image = Image.frombytes("RGB", (256, 256), bytes(levels)).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    return image


def _convert(image: Image.Image, profile: bytes) -> Image.Image:
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    converted = ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"))
    assert converted is not None
    return converted


@pytest.mark.parametrize("steps", [64, 1024])
def test_an_srgb_profile_changes_no_pixel(steps: int) -> None:
    """Browsers take the profiles of this name for what they are called; a conversion moves some levels by one."""
    source, profile = _every_colour(), curved_profile(steps=steps)
    assert _convert(source.convert("RGB"), profile) != source.convert("RGB"), "the profile would make no difference"
    assert prepared(encoded(source, "PNG", icc_profile=profile)) == prepared(encoded(source, "PNG"))


@pytest.mark.parametrize("steps", [64, 1024])
def test_display_p3_is_converted_as_its_own_profile_states(steps: int) -> None:
    source, profile = _every_colour(), curved_profile(DISPLAY_P3, steps)
    expected = _convert(source.convert("RGB"), profile)
    result = opened(prepared(encoded(source, "PNG", icc_profile=profile))).convert("RGB")
    assert all(most <= 1 for _, most in cast("Any", ImageChops.difference(result, expected).getextrema()))


def test_profiles_of_display_p3_share_the_transform_that_is_there_already() -> None:
    one, other, another = (
        load_transform(profile)
        for profile in (curved_profile(DISPLAY_P3), curved_profile(DISPLAY_P3, 64), rgb_profile(DISPLAY_P3, 2.2))
    )
    assert one == other != another


@pytest.mark.parametrize("colorants", [SRGB, DISPLAY_P3])
@pytest.mark.parametrize(("gamma", "grey"), [(2.2, 24), (2.4, 18), (1.8, 40)])
def test_a_profile_with_known_primaries_and_another_curve_is_applied(
    colorants: tuple[tuple[float, float, float], ...], gamma: float, grey: int
) -> None:
    source = encoded(Image.new("RGB", (60, 60), (30, 30, 30)), "PNG", icc_profile=rgb_profile(colorants, gamma))
    assert abs(opened(prepared(source)).convert("L").getpixel((30, 30)) - grey) <= 1  # type: ignore[operator]


def test_a_profile_whose_last_segment_has_one_byte_is_whole() -> None:
    profile, plain = rgb_profile(ADOBE_RGB), encoded(scene(), "JPEG", quality=95)
    parts = [segment(0xE2, b"ICC_PROFILE\0\1\2" + profile[:-1]), segment(0xE2, b"ICC_PROFILE\0\2\2" + profile[-1:])]
    assert prepared(with_segments(plain, *parts)) == prepared(encoded(scene(), "JPEG", quality=95, icc_profile=profile))
    assert prepared(with_segments(plain, *parts)) != prepared(plain)


def test_cmyk_black_stays_black_by_black_point_compensation() -> None:
    ink = Image.new("CMYK", (60, 60), (0, 0, 0, 255))
    black = fields_of(opened(prepared(encoded(ink, "TIFF", icc_profile=cmyk_profile()))))[0]
    assert max(black[:3]) < 8


def test_a_grey_profile_is_applied() -> None:
    middle = fields_of(opened(prepared(encoded(Image.new("L", (60, 60), 128), "PNG", icc_profile=grey_profile()))))[0]
    assert abs(middle[0] - 146) < 4


def test_a_profile_that_does_not_fit_is_ignored() -> None:
    source = encoded(scene(), "PNG", icc_profile=grey_profile())
    check_fields(opened(prepared(source)), FIELDS, 6)


def test_hidden_colours_do_not_bleed_into_the_result() -> None:
    source = Image.new("RGBA", (400, 400), (255, 0, 0, 255))
    for x in range(0, 400, 2):
        source.paste((0, 255, 0, 0), (x, 0, x + 1, 400))
    result = opened(prepared(encoded(source, "PNG"), PictureSettings(max_width=40, max_height=40)))
    assert result.mode == "RGBA"
    red, green, _, alpha = fields_of(result)[0]
    assert (red > 250, green < 5, 100 < alpha < 155) == (True, True, True)


def test_one_transparent_pixel_keeps_transparency() -> None:
    source = noise(1500, 1200).convert("RGBA")
    assert prepared(encoded(source, "PNG", compress_level=0)).content_type == "image/jpeg"
    source.putpixel((700, 700), (0, 0, 0, 0))
    assert prepared(encoded(source, "PNG", compress_level=0)).content_type == "image/png"


def test_grey_with_alpha_stays_grey_with_alpha() -> None:
    assert opened(prepared(encoded(see_through().convert("LA"), "PNG"))).mode == "LA"


def test_a_palette_stays_a_palette() -> None:
    drawing = scene(1600, 1200).quantize(8)
    small, large = prepared(encoded(drawing.resize((300, 200)), "PNG")), prepared(encoded(drawing, "GIF"))
    assert (opened(small).mode, opened(large).mode) == ("P", "P")
    assert small.data.count(b"PLTE") == 1
    assert len(small.data) < 1000


def test_a_palette_that_is_not_resized_keeps_its_colours() -> None:
    drawing = Image.frombytes("P", (64, 64), bytes(range(256)) * 16)
    drawing.putpalette(noise(16, 16).tobytes())
    expected = drawing.convert("RGBA")
    expected.putalpha(Image.frombytes("L", (64, 64), drawing.tobytes()))
    result = opened(prepared(encoded(drawing, "PNG", transparency=bytes(range(256)))))
    assert (result.mode, result.convert("RGBA").tobytes()) == ("P", expected.tobytes())


def test_deep_grey_is_scaled_not_clipped() -> None:
    ramp = Image.new("I", (256, 4))
    ramp.putdata([x * 257 for _ in range(4) for x in range(256)])
    for encoder in ("PNG", "TIFF"):
        result = opened(prepared(encoded(ramp.convert("I;16"), encoder), PictureSettings(jpeg_quality=95)))
        assert all(abs(int(result.getpixel((x, 2))) - x) <= 3 for x in range(0, 256, 5))  # type: ignore[arg-type] # L


@pytest.mark.parametrize("place", [(0, 0), (31, 31)])
def test_white_is_as_bright_as_the_brightest_pixel_wherever_it_is(place: tuple[int, int]) -> None:
    values = Image.new("F", (32, 32), 0.5)
    assert abs(fields_of(opened(prepared(encoded(values, "TIFF"))))[0][0] - 128) <= 2
    values.putpixel(place, 200.0)
    fields = fields_of(opened(prepared(encoded(values, "TIFF"))))
    assert min(field[0] for field in fields) <= 2


@pytest.mark.parametrize("fit", ["contain", "cover"])
def test_type_stays_sharp_where_a_photo_would_be_decoded_coarsely(fit: Fit) -> None:
    page = Image.new("L", (1500, 1500), 255)
    for x, y in itertools.product(range(0, 1500, 9), range(0, 1500, 15)):
        page.paste(0, (x, y, x + 3, y + 9))
    source, width = encoded(page, "JPEG", quality=95), 500 if fit == "contain" else 250
    settings = PictureSettings(max_width=width, max_height=500, jpeg_quality=95, fit=fit)
    result = opened(prepared(source, settings))
    left = (1500 - 3 * width) // 2
    with Image.open(BytesIO(source), formats=("JPEG",)) as whole:
        reference = whole.resize((width, 500), Image.Resampling.LANCZOS, (left, 0, 1500 - left, 1500))
    assert ImageStat.Stat(ImageChops.difference(result, reference)).rms[0] < 5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"restart_marker_rows": 1},
        {"progressive": True, "subsampling": 0},
    ],
)
def test_a_jpeg_without_its_end_is_stored_only_if_no_pixel_is_missing(options: dict[str, Any]) -> None:
    whole = encoded(noise(61, 47), "JPEG", **options)
    expected = opened(prepared(whole)).tobytes()
    assert opened(prepared(whole[:-2])).tobytes() == expected
    assert opened(prepared(whole[:-2] + b"rubbish")).tobytes() == expected
    begin = whole.index(b"\xff\xda") + 14
    for cut in (*(begin + (len(whole) - begin) * tenth // 10 for tenth in range(10)), *range(-12, -2)):
        with pytest.raises(Rejected) as refusal:
            prepare(whole[:cut], PictureSettings(), Deadline(60))
        assert refusal.value.code == "image.unreadable"


@pytest.mark.parametrize(
    ("ground", "ink"),
    [
        ((0, 0, 255), (255, 0, 0)),
        ((100, 0, 255), (100, 49, 0)),  # differ in Cb alone
        ((255, 0, 100), (0, 130, 100)),  # in Cr alone
    ],
)
def test_type_in_saturated_colours_keeps_its_edges(ground: tuple[int, int, int], ink: tuple[int, int, int]) -> None:
    logo = Image.new("RGB", (400, 200), ground)
    ImageDraw.Draw(logo).text((20, 60), "Nordmann", ink, ImageFont.load_default(60))
    difference = ImageChops.difference(opened(prepared(encoded(logo, "PNG"))), logo)
    assert max(ImageStat.Stat(difference).mean) < 2
    assert max(high for _, high in difference.getextrema()) < 90  # type: ignore[misc]  # a pair for each band


@pytest.mark.parametrize("size", [(400, 300), (900, 700)])
def test_colours_are_stored_at_half_resolution_unless_they_differ_sharply(size: tuple[int, int]) -> None:
    photo = noise(size[0] // 16, size[1] // 16).resize(size)
    dot, line = Image.new("RGB", size, (40, 40, 40)), Image.new("RGB", size, (40, 40, 40))
    dot.putpixel((100, 100), (255, 0, 0))
    line.paste((255, 0, 0), (0, 260, size[0], 264))
    for picture, factors in ((photo, 2), (dot, 2), (line, 1)):
        with opened(prepared(encoded(picture, "PNG"))) as result:
            assert isinstance(result, JpegImageFile)
            assert result.layer[0][1:3] == (factors, factors)


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        *(("1", name) for name in ("tiff_ccitt", "group3", "group4")),
        *(("RGB", name) for name in ("packbits", "tiff_lzw", "tiff_deflate", "lzma", "zstd")),
    ],
)
def test_a_packed_tiff_is_the_same_picture(mode: str, compression: str) -> None:
    image = scene().convert(mode)
    assert prepared(encoded(image, "TIFF", compression=compression)) == prepared(encoded(image, "TIFF"))


def test_an_old_deflated_tiff_is_the_same_picture() -> None:
    deflated = encoded(scene(), "TIFF", compression="tiff_adobe_deflate")
    number, old = (struct.pack("<HHII", 259, 3, 1, number) for number in (8, 32_946))
    assert number in deflated
    assert prepared(deflated.replace(number, old)) == prepared(deflated)


def test_nothing_of_the_metadata_is_left() -> None:
    for sample in SOUND:
        if sample.name.endswith("metadata"):
            assert b"private" in sample.make()
            assert b"private" not in prepared(sample.make()).data


@pytest.mark.parametrize(("number", "name"), [(1, "unsigned"), (2, "signed"), (3, "floating-point"), (6, "complex")])
def test_a_tiff_that_is_not_read_has_its_layout_named(number: int, name: str) -> None:
    source = tiff("<", [(256, 3, [1]), (257, 3, [1]), (258, 3, [7]), (262, 3, [1]), (339, 3, [number])], b"")
    with pytest.raises(Rejected, match=f"grey in one plane, {name} samples of 7 bits, compression 1") as refusal:
        prepared(source)
    assert refusal.value.code == "image.unsupported-format"


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0)])
def test_a_tiff_without_width_or_height_is_unreadable_whatever_its_layout(width: int, height: int) -> None:
    source = tiff("<", [(256, 3, [width]), (257, 3, [height]), (258, 3, [7]), (262, 3, [1])], b"")
    with pytest.raises(Rejected, match="no width or no height") as refusal:
        prepared(source)
    assert refusal.value.code == "image.unreadable"


@pytest.mark.parametrize(("entries", "size"), [(4096, 0), (4097, 0), (1024, 32 * 2**20 - 100_000), (1024, 32 * 2**20)])
def test_a_tiff_may_have_4096_entries_and_32_mib_of_metadata(entries: int, size: int) -> None:
    basics = [(256, 3, [9]), (257, 3, [9]), (258, 3, [8]), (262, 3, [1]), (273, 4, [8]), (279, 4, [81])]
    filler = [(40_000 + i, 3, [0]) for i in range(entries - len(basics))]
    source = tiff("<", [*basics, *filler], bytes(81))
    at = source.rindex(struct.pack("<HHI", filler[-1][0], 3, 1))
    source = source[:at] + struct.pack("<HHI", filler[-1][0], 7, size) + source[at + 8 :]
    if entries <= 4096 and size < 32 * 2**20:
        assert prepared(source).width == 9
        return
    with pytest.raises(Rejected) as refusal:
        prepared(source)
    assert refusal.value.code == "image.too-many-pixels"


@pytest.mark.parametrize(("segments", "scans"), [(2000, 1), (2001, 1), (20, 100), (20, 101)])
def test_a_jpeg_may_have_2000_segments_and_100_scans(segments: int, scans: int) -> None:
    plain = encoded(scene(), "JPEG", progressive=scans > 1)
    if scans > 1:
        plain = many_scans(plain, scans - plain.count(b"\xff\xda") + 1)
    markers = len(jpeg_markers(plain))
    source = with_segments(plain, segment(0xFE, b"") * (segments - markers))
    comment = segment(0xFE, b"\xff\xda")  # looks like a scan
    for each in (source, source[:-2] + comment + source[-2:]):
        if segments <= 2000 and scans <= 100:
            assert prepared(each).width == 120
            continue
        with pytest.raises(Rejected) as refusal:
            prepared(each)
        assert refusal.value.code == "image.too-many-pixels"


@pytest.mark.parametrize(("segments", "is_stored"), [(511, True), (512, False)])
def test_a_jpeg_may_have_32_mib_of_metadata(segments: int, *, is_stored: bool) -> None:
    source = with_segments(encoded(scene(), "JPEG"), segment(0xE3, bytes(65_533)) * segments)
    if is_stored:
        assert prepared(source).width == 120
        return
    with pytest.raises(Rejected) as refusal:
        prepared(source)
    assert refusal.value.code == "image.too-many-pixels"


def test_the_limit_of_pixels_is_the_operators() -> None:
    source = encoded(Image.new("L", (12_000, 8_334)), "JPEG")
    with pytest.raises(Rejected) as refusal:
        prepared(source)
    assert refusal.value.code == "image.too-many-pixels"
    assert prepared(source, PictureSettings(max_source_pixels=12_000 * 8_334)).width == 1024


def test_the_functions_memory_bounds_decoding() -> None:
    source = encoded(Image.new("RGB", (5000, 4000)), "WEBP", method=0)
    assert prepared(source).width == 1024
    with pytest.raises(Rejected, match="MiB") as refusal:
        prepared(source, PictureSettings(function_memory=256 * 2**20))
    assert refusal.value.code == "image.too-many-pixels"


def test_without_time_left_it_is_deferred() -> None:
    with pytest.raises(Deferred) as deferral:
        prepare(encoded(scene(), "PNG"), PictureSettings(), Deadline(0.1))
    assert deferral.value.code == "worker.out-of-time"


def test_pillow_is_left_as_it_was() -> None:
    before = (dict(Image.OPEN), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    prepared(heic(scene()))
    prepared(encoded(scene(), "TIFF"))
    assert "HEIF" not in set(Image.OPEN) - set(before[0])
    assert before[1:] == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


@pytest.mark.parametrize("encoder", ["JPEG", "WEBP"])
def test_a_process_started_ahead_makes_the_same_picture(encoder: str) -> None:
    """In a process of its own, where no other test has loaded the format's decoder."""
    script = f"""if True:
        from image_ingest.deadline import Deadline
        from contextlib import closing
        from image_ingest.picture import Preparation, prepare
        from image_ingest.settings import PictureSettings
        from tests.pictures.scene import scene
        from tests.pictures.makers import encoded
        source = encoded(scene(), "{encoder}")
        with closing(Preparation()) as preparation:
            preparation.start(PictureSettings())
            preparation.file.write(source)
            ahead = preparation.make_picture(PictureSettings(), Deadline(20))
        assert ahead == prepare(source, PictureSettings(), Deadline(20))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "functions"), str(ROOT)))}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)


def test_importing_costs_nothing_before_a_picture_comes() -> None:
    script = """if True:
        import sys, image_ingest.picture as picture
        assert not {"PIL", "pillow_heif"} & sys.modules.keys()
        from io import BytesIO
        from PIL import Image
        from image_ingest.deadline import Deadline
        from image_ingest.settings import PictureSettings
        buffer = BytesIO()
        Image.new("RGB", (9, 9)).save(buffer, "JPEG")
        picture.prepare(buffer.getvalue(), PictureSettings(), Deadline(20))
        assert not {"pillow_heif", "PIL.WebPImagePlugin", "PIL.AvifImagePlugin"} & sys.modules.keys()
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "functions")}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, env=environment, timeout=60)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_whose_last_pixel_is_grey_is_complete(mode: str, options: dict[str, object]) -> None:
    image = scene().copy()
    image.paste((128, 128, 128), (image.width - 40, image.height - 40, image.width, image.height))
    picture = prepared(encoded(image.convert(mode), "JPEG", **options))
    assert (picture.width, picture.height) == image.size
