"""Colours named by numbers (ITU-T H.273), and high dynamic range (ITU-R BT.2100) mapped to sRGB as Chromium does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from PIL import Image, ImageMath

from image_ingest.picture.colour.icc import (
    Matrix,
    Vector,
    adapt_colorants,
    build_profile,
    combine,
    linearize_srgb,
    tabulate,
)


class Cicp(NamedTuple):
    """Primaries and transfer function by their numbers."""

    primaries: int
    transfer: int


DISPLAY_P3 = Cicp(12, 13)
_D65, _DCI, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
_BT709 = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_BT601 = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_BT2020 = (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
PRIMARIES = {
    1: _BT709,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _BT601,
    7: _BT601,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: _BT2020,
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_GAMMAS = {1: 2.4, 4: 2.2, 5: 2.8, 6: 2.4, 8: 1.0, 11: 2.4, 14: 2.4, 15: 2.4}
_SMPTE_240, _SRGB, _PQ, _SMPTE_428, _HLG = 7, 13, 16, 17, 18
TRANSFERS = (*_GAMMAS, _SMPTE_240, _SRGB, _PQ, _SMPTE_428, _HLG)
_LIKE_SRGB = (1, 6, 14, 15)

_REFERENCE_WHITE, _PEAK = 203.0, 1000.0  # cd/m² (ITU-R BT.2408); Chromium takes the peak for any content
_HEADROOM = _PEAK / _REFERENCE_WHITE


def read_nclx(primaries: int, transfer: int) -> Cicp:
    """The numbers of an AVIF or HEIC, in which the transfer functions of video mean sRGB's."""
    return Cicp(primaries, _SRGB if transfer in _LIKE_SRGB else transfer)


def is_high_dynamic_range(cicp: Cicp) -> bool:
    return cicp.transfer in (_PQ, _HLG)


@lru_cache(maxsize=4)
def build_cicp_profile(cicp: Cicp) -> bytes | None:
    """A profile for these colours, or None for sRGB and for numbers without a meaning."""
    primaries, transfer = PRIMARIES.get(cicp.primaries, _BT709), cicp.transfer
    if transfer in _GAMMAS:
        return build_profile(adapt_colorants(primaries), _GAMMAS[transfer])
    if transfer in _FORMULAS:
        return build_profile(adapt_colorants(primaries), tabulate(_FORMULAS[transfer]))
    if primaries is _BT709:
        return None
    return build_profile(adapt_colorants(primaries), tabulate(linearize_srgb))


def _linearize_smpte_240(value: float) -> float:
    return value / 4 if value < 0.0913 else ((value + 0.1115) / 1.1115) ** (1 / 0.45)


def _linearize_smpte_428(value: float) -> float:
    return float(value**2.6) * 52.37 / 48


_FORMULAS = {_SMPTE_240: _linearize_smpte_240, _SMPTE_428: _linearize_smpte_428}


def map_tones(image: Image.Image, cicp: Cicp) -> Image.Image:
    """An RGB picture in PQ or HLG → sRGB, by reference white tone mapping (SMPTE ST 2094-50) for ordinary displays."""
    linearize = _linearize_pq if cicp.transfer == _PQ else _linearize_hlg
    bands = [
        _evaluate(lambda a: linearize(a["v"] * (1 / 255), a["max"]), v=band.convert("F")) for band in image.split()
    ]
    bands = _multiply(_convert_primaries(PRIMARIES.get(cicp.primaries, _BT709), _BT2020), bands)
    if cicp.transfer == _HLG:
        bands = _show_scene(bands)
    gain = _compute_gain(bands)
    bands = _multiply(_convert_primaries(_BT2020, _BT709), bands)
    return Image.merge("RGB", [_encode_srgb(band, gain) for band in bands])


def _evaluate(expression: Callable[[dict[str, Any]], Any], **images: Image.Image) -> Image.Image:
    return cast("Image.Image", ImageMath.lambda_eval(expression, **images))


def _multiply(matrix: Sequence[Vector], bands: list[Image.Image]) -> list[Image.Image]:
    red, green, blue = bands

    def weigh(row: Vector) -> Image.Image:
        return _evaluate(lambda a: a["r"] * row[0] + a["g"] * row[1] + a["b"] * row[2], r=red, g=green, b=blue)

    return [weigh(row) for row in matrix]


def _compute_gain(bands: list[Image.Image]) -> Image.Image:
    """What the brightest channel is multiplied by: a factor up to reference white, then a parabola to the peak."""
    white = 0.5
    middle_x, middle_y = 0.35 + 0.65 / white, 0.35 * white + 0.65  # the parabola's control point
    a, b = 1 - 2 * middle_x + _HEADROOM, 2 * (middle_x - 1)

    def compute(images: dict[str, Any]) -> Any:
        most, least = images["max"], images["min"]
        value = most(most(most(images["r"], images["g"]), images["b"]), 1e-6)
        within = least(most(value, 1.0), _HEADROOM)
        t = ((within - 1.0) * (4 * a) + b * b) ** 0.5 * (1 / (2 * a)) - b / (2 * a)
        curve = (t * (white - 2 * middle_y + 1) + 2 * (middle_y - white)) * t + white
        is_bright = value > 1.0
        return is_bright * curve / value + (1 - is_bright) * white

    red, green, blue = bands
    return _evaluate(compute, r=red, g=green, b=blue)


def _linearize_pq(value: Any, most: Callable[[Any, float], Any]) -> Any:
    """SMPTE ST 2084, in multiples of reference white."""
    power = value ** (32 / 2523)
    light = most(power - 107 / 128, 0.0) / (power * (-2392 / 128) + 2413 / 128)
    return light ** (8192 / 1305) * (10_000 / _REFERENCE_WHITE)


def _linearize_hlg(value: Any, _: Callable[[Any, float], Any]) -> Any:
    """The light of the scene, of 1."""
    is_bright = value > 0.5
    bright = (((value - 0.55991073) * (1 / 0.17883277)).__rpow__(math.e) + 0.28466892) * (1 / 12)
    return is_bright * bright + (1 - is_bright) * value * value * (1 / 3)


def _show_scene(bands: list[Image.Image]) -> list[Image.Image]:
    """What a display of 1000 cd/m² shows of it."""
    (luminance,) = _multiply(((0.2627, 0.6780, 0.0593),), bands)
    factor = _evaluate(lambda a: a["max"](a["y"], 1e-6) ** 0.2 * _HEADROOM, y=luminance)
    return [_evaluate(lambda a: a["v"] * a["f"], v=band, f=factor) for band in bands]


def _encode_srgb(band: Image.Image, gain: Image.Image) -> Image.Image:
    def encode(images: dict[str, Any]) -> Any:
        value = images["min"](images["max"](images["v"] * images["gain"], 0.0), 1.0)
        is_dark = value <= 0.0031308
        curve = value ** (1 / 2.4) * 1.055 - 0.055
        return (is_dark * value * 12.92 + (1 - is_dark) * curve) * 255.0 + 0.5

    return _evaluate(encode, v=band, gain=gain).convert("L")


def _convert_primaries(source: tuple[float, ...], target: tuple[float, ...]) -> Matrix:
    return combine(adapt_colorants(source), adapt_colorants(target))
