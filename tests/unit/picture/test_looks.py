"""What files state about their looks is followed: orientation in every notation, colours by number, transparency."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops

from image_ingest.deadline import Deadline
from image_ingest.errors import Rejected
from image_ingest.picture import prepare
from image_ingest.settings import PictureSettings
from tests.pictures.bitmaps import bmp, pack_indices, palette_of
from tests.pictures.checks import check_fields, fields_of, opened, prepared
from tests.pictures.corpus import CORPUS
from tests.pictures.makers import (
    box,
    chunk,
    encoded,
    exif,
    header,
    insert_after_header,
    interlaced_png,
    many_scans,
    png,
    resized_frame,
    segment,
    split_scans,
    with_segments,
)
from tests.pictures.minis import mini_avif
from tests.pictures.profiles import rgb_profile
from tests.pictures.scene import FIELDS, grey_scene, heic, scene, see_through

TURNED = scene().transpose(Image.Transpose.ROTATE_90)
COLOURS = ((150, 120, 110), (110, 130, 120), (115, 110, 140), (190, 150, 130))


def make(name: str) -> bytes:
    """A sample of the corpus."""
    return next(sample for sample in CORPUS if sample.name == name).make()


def draw(fields: Sequence[tuple[int, ...]]) -> Image.Image:
    """Four fields with a palette, whose colours are stored as they are."""
    quarters = Image.new("RGB", (2, 2))
    quarters.putdata(fields)
    return quarters.resize((40, 40), Image.Resampling.NEAREST).quantize(4)


def orient(order: str, kind: int) -> bytes:
    """Exif of orientation 6 as a number of this type: 1 BYTE, 3 SHORT, 4 LONG."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    code = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    return head + struct.pack(f"{order}IHHHI{code}I", 8, 1, 0x0112, kind, 1, 6, 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("identifiers", [1, 2])
def test_orientation_is_read_in_every_notation(order: str, kind: int, identifiers: int) -> None:
    block = b"Exif\0\0" * identifiers + orient(order, kind)
    for source in (
        with_segments(encoded(TURNED, "JPEG", quality=95), segment(0xE1, block)),
        insert_after_header(encoded(TURNED, "PNG"), chunk(b"eXIf", orient(order, kind))),
        encoded(TURNED, "WEBP", lossless=True, exif=block),
    ):
        check_fields(opened(prepared(source)), FIELDS, 20)


def test_a_heic_is_turned_once_by_its_container_or_else_by_exif() -> None:
    by_container = heic(TURNED, exif=exif(6)[6:], quality=95)
    assert b"irot" in by_container
    by_exif = by_container.replace(b"irot", b"free")
    for source in (by_container, by_exif):
        check_fields(opened(prepared(source)), FIELDS, 20)


def test_a_heic_whose_picture_is_the_second_of_two_is_turned_once() -> None:
    two, file = pillow_heif.from_pillow(scene().rotate(180)), BytesIO()
    two.add_from_pillow(TURNED)
    two.save(file, primary_index=1, exif=exif(6)[6:], quality=95)
    check_fields(opened(prepared(file.getvalue())), FIELDS, 20)


@pytest.mark.parametrize(
    ("chunks", "grey"),
    [
        ([chunk(b"gAMA", struct.pack(">I", 100_000))], 188),
        ([chunk(b"gAMA", struct.pack(">I", 45_455))], 128),
        ([chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"sRGB", b"\0")], 128),
        ([chunk(b"cICP", bytes((1, 8, 0, 1)))], 188),
        ([chunk(b"cICP", bytes((1, 13, 0, 1))), chunk(b"gAMA", struct.pack(">I", 100_000))], 128),
        ([chunk(b"gAMA", bytes(4))], 128),
    ],
)
def test_the_light_that_a_png_states_without_a_profile(chunks: list[bytes], grey: int) -> None:
    for mode in ("L", "RGB"):
        source = insert_after_header(encoded(Image.new("L", (40, 40), 128).convert(mode), "PNG"), *chunks)
        check_fields(opened(prepared(source)), [(grey,) * 3] * 4, 2)


def test_primaries_that_a_png_states_without_a_profile() -> None:
    swapped = struct.pack(">8I", 31_270, 32_900, 30_000, 60_000, 64_000, 33_000, 15_000, 6_000)
    source = insert_after_header(encoded(scene(), "PNG"), chunk(b"cHRM", swapped))
    red, green, blue, white = fields_of(opened(prepared(source)))
    assert (max(red[:3]), max(green[:3]), max(blue[:3])) == (red[1], green[0], blue[2])
    assert min(white) > 250


@pytest.mark.parametrize(
    ("primaries", "seen"),
    [
        (1, ((180, 110, 100), (130, 160, 120), (110, 110, 180))),
        (4, ((204, 107, 96), (116, 158, 118), (101, 117, 184))),
        (5, ((182, 110, 100), (128, 160, 121), (110, 110, 179))),
        (6, ((177, 112, 100), (132, 159, 120), (111, 112, 180))),
        (7, ((177, 112, 100), (132, 159, 120), (111, 112, 180))),
        (8, ((197, 105, 97), (118, 162, 117), (109, 108, 184))),
        (9, ((212, 97, 97), (108, 164, 115), (102, 109, 186))),
        (11, ((188, 106, 97), (125, 161, 116), (110, 110, 185))),
        (12, ((191, 106, 97), (122, 161, 116), (110, 110, 185))),
        (22, ((181, 112, 100), (129, 158, 120), (110, 113, 180))),
    ],
)
def test_primaries_by_number_are_those_of_the_standard(primaries: int, seen: Sequence[tuple[int, ...]]) -> None:
    """The numbers of ITU-T H.273, adapted to sRGB's white by Bradford's matrix; computed by other code."""
    drawing = draw([(180, 110, 100), (130, 160, 120), (110, 110, 180), (255, 255, 255)])
    source = insert_after_header(encoded(drawing, "PNG"), chunk(b"cICP", bytes((primaries, 13, 0, 1))))
    check_fields(opened(prepared(source)), (*seen, (255, 255, 255)), 1)


@pytest.mark.parametrize(
    ("transfer", "dark", "bright"),
    [
        *((number, 54, 197) for number in (1, 6, 11, 14, 15)),
        (4, 62, 201),
        (5, 40, 189),
        (7, 81, 206),
        (8, 137, 229),
        (13, 64, 200),
        (17, 48, 200),
    ],
)
def test_curves_by_number_are_those_of_the_standard(transfer: int, dark: int, bright: int) -> None:
    grey = Image.new("L", (40, 40), 64)
    grey.paste(200, (20, 0, 40, 40))
    source = insert_after_header(encoded(grey.convert("P"), "PNG"), chunk(b"cICP", bytes((1, transfer, 0, 1))))
    check_fields(opened(prepared(source)), [(dark,) * 3, (bright,) * 3] * 2, 1)


@pytest.mark.parametrize(
    ("name", "red"),
    [("png-p3", (250, 0, 0)), ("avif-p3", (250, 0, 0)), ("avif-bt2020", (254, 0, 0)), ("png-pq", (254, 0, 0))],
)
def test_saturated_red_of_a_wide_space_is_as_red_as_srgb_allows(name: str, red: tuple[int, int, int]) -> None:
    seen = fields_of(opened(prepared(make(name))))[0]
    assert max(abs(a - b) for a, b in zip(seen, red, strict=False)) <= 4


@pytest.mark.parametrize(
    ("primaries", "transfer", "stored", "seen"),
    [
        (9, 16, (20, 64, 100, 128), (1, 30, 77, 132)),
        (9, 16, (160, 190, 220, 255), (213, 253, 255, 255)),
        (9, 16, COLOURS, ((228, 98, 88), (45, 142, 112), (103, 92, 169), (255, 103, 79))),
        (12, 16, COLOURS, ((206, 109, 89), (80, 139, 112), (106, 94, 168), (255, 132, 86))),
        (9, 18, (20, 64, 100, 128), (5, 43, 75, 99)),
        (9, 18, (160, 190, 220, 255), (135, 185, 224, 255)),
        (9, 18, COLOURS, ((132, 90, 85), (74, 102, 92), (88, 83, 109), (203, 117, 103))),
        (12, 18, COLOURS, ((123, 92, 85), (82, 101, 93), (89, 84, 109), (185, 122, 103))),
    ],
)
def test_high_dynamic_range_is_mapped_as_chromium_does(
    primaries: int, transfer: int, stored: Sequence[Any], seen: Sequence[Any]
) -> None:
    """Reference white tone mapping (SMPTE ST 2094-50) of BT.2100's curves; computed by other code."""
    fields, expected = ([f if isinstance(f, tuple) else (f,) * 3 for f in each] for each in (stored, seen))
    source = insert_after_header(encoded(draw(fields), "PNG"), chunk(b"cICP", bytes((primaries, transfer, 0, 1))))
    check_fields(opened(prepared(source)), expected, 1)


@pytest.mark.parametrize(
    ("transfer", "shown"),
    [(1, 128), (6, 128), (13, 128), (14, 128), (15, 128), (2, 128), (5, 106), (8, 188), (16, 132), (18, 99)],
)
def test_in_a_heic_the_curves_of_video_mean_that_of_srgb(transfer: int, shown: int) -> None:
    source = heic(Image.new("RGB", (40, 40), (128, 128, 128)), quality=95)
    at = source.index(b"colrnclx") + 8
    source = source[:at] + struct.pack(">HH", 1, transfer) + source[at + 4 :]
    check_fields(opened(prepared(source)), [(shown,) * 3] * 4, 2)


@pytest.mark.parametrize(
    ("mode", "subsampling"),
    [("RGB", "4:2:0"), ("RGB", "4:2:2"), ("RGB", "4:4:4"), ("L", "4:0:0"), ("RGBA", "4:2:0"), ("RGBA", "4:4:4")],
)
@pytest.mark.parametrize("is_wide", [True, False])
def test_an_avif_with_a_short_head_is_the_same_picture(mode: str, subsampling: str, is_wide: bool) -> None:
    image = see_through().convert(mode)
    usual = encoded(image, "AVIF", quality=95, subsampling=subsampling)
    assert prepared(mini_avif(image, is_wide=is_wide, subsampling=subsampling)) == prepared(usual)


@pytest.mark.parametrize("is_wide", [True, False])
def test_colours_and_metadata_of_an_avif_with_a_short_head(is_wide: bool) -> None:
    profile = rgb_profile()
    usual = encoded(scene(), "AVIF", quality=95, icc_profile=profile)
    short = mini_avif(scene(), is_wide=is_wide, profile=profile, exif=exif(6), xmp=b"<x>private</x>")
    assert prepared(short) == prepared(usual)
    wide = mini_avif(scene(), is_wide=is_wide, subsampling="4:4:4", cicp=(12, 13, 6), xmp=b"<x>private</x>")
    assert prepared(wide) == prepared(make("avif-p3"))
    grey = mini_avif(grey_scene(), is_wide=is_wide, subsampling="4:0:0", cicp=(1, 13, 2), exif=exif(6))
    assert prepared(grey) == prepared(encoded(grey_scene(), "AVIF", quality=95, subsampling="4:0:0"))


@pytest.mark.parametrize(
    ("head", "code", "message"),
    [
        (b"\x20" + bytes(19), "image.unsupported-format", "codec"),
        (b"\x10" + bytes(19), "image.unsupported-format", "floats"),
        (b"\x01" + bytes(19), "image.unsupported-format", "gain map"),
        (bytes(6), "image.unreadable", "cut off in its head"),
    ],
)
def test_a_short_head_of_an_avif_that_is_not_read(head: bytes, code: str, message: str) -> None:
    with pytest.raises(Rejected, match=message) as refusal:
        prepare(box(b"ftyp", b"mif3avif") + box(b"mini", head), PictureSettings(), Deadline(60))
    assert refusal.value.code == code


def test_the_first_brand_of_a_file_need_not_be_among_those_it_is_compatible_with() -> None:
    source = encoded(scene(), "AVIF", quality=95)
    assert source[8:24] == b"avif" + bytes(4) + b"avifmif1"
    assert prepared(source[:16] + b"mif1" + source[20:]) == prepared(source)


@pytest.mark.parametrize("name", ["png-2-bit-grey-key", "png-4-bit-grey-key", "gif-small-frame"])
def test_what_a_file_leaves_transparent_stays_so(name: str) -> None:
    alphas = [field[3] for field in fields_of(opened(prepared(make(name))))]
    expected = {
        "png-2-bit-grey-key": [255, 255, 255, 0],
        "png-4-bit-grey-key": [255, 255, 255, 0],
        "gif-small-frame": [255, 255, 0, 0],
    }
    assert alphas == expected[name]


@pytest.mark.parametrize(("name", "black"), [("bmp-runs-leap", [1]), ("bmp-runs-end-early", [0, 1])])
def test_pixels_that_the_runs_of_a_bmp_skip_are_black(name: str, black: list[int]) -> None:
    """As current releases of Chromium show them; earlier ones left them transparent."""
    fields = fields_of(opened(prepared(make(name))))
    assert [number for number, field in enumerate(fields) if field == (0, 0, 0, 255)] == black


@pytest.mark.parametrize("colours", [2, 256])
def test_all_that_the_frame_of_a_gif_leaves_free_is_transparent(colours: int) -> None:
    frame = Image.frombytes("P", (16, 16), bytes(i % colours for i in range(256)))
    frame.putpalette([value for i in range(256) for value in (255 - i, i, 90)])
    source = bytearray(encoded(frame, "GIF"))
    at = 13 + 3 * (2 << (source[10] & 7))
    struct.pack_into("<HH", source, 6, 30, 40)
    struct.pack_into("<HH", source, at + 1, 5, 7)
    expected = Image.new("RGBA", (30, 40))
    expected.paste(frame.convert("RGBA"), (5, 7))
    shown = opened(prepared(bytes(source))).convert("RGBA")
    assert shown.getchannel("A").tobytes() == expected.getchannel("A").tobytes()
    assert shown.crop((5, 7, 21, 23)).tobytes() == expected.crop((5, 7, 21, 23)).tobytes()


@pytest.mark.parametrize(
    ("used", "first", "shown"),
    [(1, 0, 0), (1, 255, 0), (255, 0, 0), (255, 1, 0), (256, 0, 128)],
)
def test_pixels_that_runs_skip_get_an_unused_colour_or_else_the_darkest(used: int, first: int, shown: int) -> None:
    """The palette has no black: its greys go from 255 down to 128. The fourth byte of a colour means nothing."""
    palette = b"".join(bytes((*(255 - i // 2,) * 3, 255 * (i // 128))) for i in range(256))
    runs = b"".join(bytes((1, first + i)) for i in range(used)) + b"\0\1"
    picture = opened(prepared(bmp((256, 2), 8, runs, compression=1, palette=palette))).convert("L")
    assert picture.crop((0, 0, 256, 1)).tobytes() == bytes((shown,)) * 256
    expected = [255 - i // 2 for i in range(first, first + used)] + [shown] * (256 - used)
    assert list(picture.crop((0, 1, 256, 2)).tobytes()) == expected


def test_a_reduced_palette_with_transparency_stays_opaque_where_its_source_is() -> None:
    drawing = see_through().resize((1500, 1200), Image.Resampling.NEAREST)
    drawing.putalpha(drawing.getchannel("A").point(lambda alpha: 255 if alpha else 0))
    source = encoded(drawing.quantize(32), "PNG")
    alpha = opened(prepared(source, PictureSettings(max_width=200, max_height=160))).convert("RGBA").getchannel("A")
    places = ((10, 10), (90, 10), (10, 150), (190, 150), (150, 40))
    assert [alpha.getpixel(place) for place in places] == [255, 255, 255, 255, 0]
    assert sum(alpha.histogram()[1:255]) < 0.04 * alpha.width * alpha.height


def test_a_grey_gif_with_transparency_is_stored() -> None:
    source = encoded(grey_scene(), "GIF", transparency=255)
    assert [field[3] for field in fields_of(opened(prepared(source)))] == [255, 255, 255, 0]


def test_a_short_palette_is_used_as_far_as_it_goes() -> None:
    """The file has four colours where its header announces 256; the last of them are the pixels' own bytes."""
    drawing = scene(60, 40).quantize(4)
    source = bmp((60, 40), 8, pack_indices(drawing, 8), palette=palette_of(drawing, 4))
    check_fields(opened(prepared(source)), FIELDS, 6)


@pytest.mark.parametrize("name", ["bmp-runs-literal", "bmp-runs-4-bits", "bmp-runs-4-bits-literal", "bmp-os2"])
def test_every_pixel_of_an_indexed_bmp_is_in_its_place(name: str) -> None:
    shown = opened(prepared(make(name))).convert("RGB")
    assert ImageChops.difference(shown, scene(*shown.size)).getbbox() is None


@pytest.mark.parametrize("is_top_down", [False, True])
def test_a_large_bmp_of_four_bits_per_channel_is_whole(is_top_down: bool) -> None:
    """It is unpacked in parts."""
    red, green, blue, white = (struct.pack("<H", value) * 550 for value in (0xE22, 0x2C2, 0x22E, 0xFFF))
    halves = [(red + green) * 500, (blue + white) * 500]
    pixels, height = b"".join(halves if is_top_down else halves[::-1]), -1000 if is_top_down else 1000
    source = bmp((1100, height), 16, pixels, compression=3, masks=(0xF00, 0xF0, 0xF))
    check_fields(opened(prepared(source)), FIELDS, 10)


@pytest.mark.parametrize(("bits", "compression"), [(24, 4), (1, 3), (0, 4), (0, 5), (8, 2), (4, 1), (24, 1), (64, 0)])
def test_a_bmp_packed_in_another_way_is_refused(bits: int, compression: int) -> None:
    source = bmp((4, 4), bits, bytes(200), compression=compression)
    with pytest.raises(Rejected, match=f"compression {compression}") as refusal:
        prepare(source, PictureSettings(), Deadline(60))
    assert refusal.value.code == "image.unsupported-format"


@pytest.mark.parametrize(
    ("codes", "rows"),
    [
        (b"\2\1\0\2\3\1\2\1\0\1", ["........", "........", ".....11.", "11......"]),
        (b"\0\2\10\3\0\1", ["........"] * 4),
        (b"\10\1\0\0\4\2\11\2\0\0\0\1", ["........", "........", "22222222", "11111111"]),
        (b"\0\3\1\2\1\0\2\1\0\0\0\1", ["........", "........", "........", "12111..."]),
        (b"\0\2\11\0\0\1", "a leap goes past the edge"),
        (b"\0\2\0\4\0\1", "a leap goes past the edge"),
        (b"\0\11" + b"\1" * 10 + b"\0\1", "a run goes past its row"),
        (b"\10\1\0\0\10\1\0\0\10\1\0\0\10\1", ["11111111"] * 4),
        (b"\10\1\0\0\10\1\0\0\10\1\0\0\7\1", "rows are missing"),
        (b"\10\1\0\0\10\1", "rows are missing"),
    ],
)
def test_runs_of_a_bmp_paint_what_they_say_within_its_edges(codes: bytes, rows: list[str] | str) -> None:
    source = bmp((8, 4), 8, codes, compression=1, colours=3, palette=bytes((9, 9, 9, 0)) + b"\x80" * 4 + b"\xff" * 4)
    if isinstance(rows, str):
        with pytest.raises(Rejected, match=rows) as refusal:
            prepare(source, PictureSettings(), Deadline(60))
        assert refusal.value.code == "image.unreadable"
        return
    shown = opened(prepared(source)).convert("L").tobytes()
    assert shown == bytes({".": 0, "1": 128, "2": 255}[pixel] for row in rows for pixel in row)


@pytest.mark.parametrize("name", ["bmp-444", "bmp-4444-four-masks", "bmp-2-bits", "bmp-os2", "bmp-os2-24-bits"])
def test_a_bmp_that_does_not_say_where_its_pixels_begin_has_them_behind_its_head(name: str) -> None:
    source = make(name)
    assert prepared(source[:10] + bytes(4) + source[14:]) == prepared(source)


def test_a_heic_that_names_its_primaries_is_converted() -> None:
    source = heic(scene(), quality=95)
    at = source.index(b"colrnclx") + 8
    wide = source[:at] + struct.pack(">HH", 12, 13) + source[at + 4 :]
    check_fields(opened(prepared(source)), FIELDS, 15)
    red = fields_of(opened(prepared(wide)))[0]
    assert (red[0] > 240, max(red[1:3]) < 15) == (True, True)


def test_the_profile_in_a_bmp_is_applied_as_that_in_a_png() -> None:
    in_png = opened(prepared(encoded(scene(60, 40), "PNG", icc_profile=rgb_profile())))
    in_bmp = opened(prepared(make("bmp-profile")))
    check_fields(in_bmp, [field[:3] for field in fields_of(in_png)], 2)
    assert prepared(make("bmp-profile") + b"rubbish").data == prepared(make("bmp-profile")).data
    assert max(abs(a - b) for a, b in zip(fields_of(in_bmp)[0], FIELDS[0], strict=False)) > 12


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (8, 0), (8, 2), (8, 4), (16, 6)])
def test_a_black_png_is_stored_and_refused_without_its_last_row(depth: int, colour: int) -> None:
    """The decoder leaves the row black and says nothing."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    start, rows = header(9, 8, depth, colour), [bytes(-(-9 * samples * depth // 8))] * 8
    assert prepared(png(start, rows)).height == 8
    bright = [b"\xff" * len(row) for row in rows]
    for short in (rows[:-1], bright[:-1]):
        with pytest.raises(Rejected, match="rows are missing") as refusal:
            prepare(png(start, short), PictureSettings(), Deadline(60))
        assert refusal.value.code == "image.unreadable"


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (9, 8), (3, 13), (21, 17), (5, 640)])
def test_a_black_png_in_seven_passes_is_stored_and_refused_without_its_last_row(size: tuple[int, int]) -> None:
    picture = prepared(interlaced_png(Image.new("RGB", size)))
    assert (picture.width, picture.height) == size
    with pytest.raises(Rejected) as refusal:
        prepare(interlaced_png(Image.new("RGB", size), missing=1), PictureSettings(), Deadline(60))
    assert refusal.value.code == "image.unreadable"


def test_scans_are_counted_behind_a_thumbnail() -> None:
    thumbnail = encoded(scene(), "JPEG")
    bomb = many_scans(encoded(scene(), "JPEG", progressive=True), 150)
    source = with_segments(bomb, segment(0xE1, exif(1) + thumbnail))
    with pytest.raises(Rejected, match="scans") as refusal:
        prepare(source, PictureSettings(), Deadline(60))
    assert refusal.value.code == "image.too-many-pixels"


@pytest.mark.parametrize("size", [(9_900, 9_900), (12_500, 7_900)])
@pytest.mark.parametrize("source", [encoded(scene(), "JPEG", progressive=True, subsampling=0), split_scans(scene())])
def test_a_photo_of_several_scans_beyond_the_functions_memory_is_refused_with_its_own_size(
    source: bytes, size: tuple[int, int]
) -> None:
    source = resized_frame(source, *size)
    settings = PictureSettings(function_memory=512 * 2**20)
    with pytest.raises(Rejected, match=f"{size[0]} x {size[1]}") as refusal:
        prepare(source, settings, Deadline(60))
    assert refusal.value.code == "image.too-many-pixels"


def test_a_photo_of_one_scan_takes_no_memory_for_several() -> None:
    settings = PictureSettings(max_width=60, max_height=60, function_memory=192 * 2**20)
    one, several = (encoded(scene(1500, 1200), "JPEG", subsampling=0, progressive=many) for many in (False, True))
    assert prepared(one, settings).width == 60
    with pytest.raises(Rejected, match="would take about 34 MiB") as refusal:
        prepare(several, settings, Deadline(60))
    assert refusal.value.code == "image.too-many-pixels"


def test_a_webp_canvas_beyond_the_functions_memory_is_refused_before_decoding() -> None:
    source = encoded(see_through(), "WEBP", exif=exif(1))
    assert source[12:16] == b"VP8X"
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (9900, 9800))
    with pytest.raises(Rejected, match="9900 x 9800 pixels would take about 740 MiB") as refusal:
        prepare(source[:24] + sides + source[30:], PictureSettings(function_memory=512 * 2**20), Deadline(60))
    assert refusal.value.code == "image.too-many-pixels"


@pytest.mark.parametrize(("options", "size"), [({}, 29), ({"lossless": True}, 24), ({"exif": exif(1)}, 29)])
def test_a_webp_that_is_cut_off_before_its_size_is_unreadable(options: dict[str, Any], size: int) -> None:
    source = encoded(scene(), "WEBP", **options)
    with pytest.raises(Rejected, match="The WebP is cut off before its size") as refusal:
        prepare(source[:size], PictureSettings(), Deadline(60))
    assert refusal.value.code == "image.unreadable"
