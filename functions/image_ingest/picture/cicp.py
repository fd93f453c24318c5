"""Colours named by numbers (ITU-T H.273), and high dynamic range (ITU-R BT.2100) mapped to sRGB as Chromium does."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from PIL import ImageFilter

from image_ingest.picture.icc import adapt_colorants, build_profile, combine, linearize_srgb, tabulate

PEAK = 1000.0  # cd/m², of content that does not state it (ITU-R BT.2408)


class Cicp(NamedTuple):
    """Primaries and transfer function by their numbers; `peak` is the brightest light of the content, in cd/m²."""

    primaries: int
    transfer: int
    peak: float = PEAK


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
_GAMMAS = {1: 2.4, 4: 2.2, 5: 2.8, 6: 2.4, 8: 1.0, 14: 2.4, 15: 2.4}
_SRGB, _PQ, _HLG = 13, 16, 18
TRANSFERS = (*_GAMMAS, _SRGB, _PQ, _HLG)
_LIKE_SRGB = (1, 6, 14, 15)

_REFERENCE_WHITE = 203.0  # cd/m² (ITU-R BT.2408)
_USUAL_HEADROOM = PEAK / _REFERENCE_WHITE
_STEPS = 25


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
    if primaries is _BT709:
        return None
    return build_profile(adapt_colorants(primaries), tabulate(linearize_srgb))


@lru_cache(maxsize=1)
def build_tone_map(cicp: Cicp) -> ImageFilter.Color3DLUT:
    """From PQ or HLG to sRGB, by reference white tone mapping (SMPTE ST 2094-50) for a display without headroom."""
    linearize = _linearize_pq if cicp.transfer == _PQ else _linearize_hlg
    to_bt2020 = _convert_primaries(PRIMARIES.get(cicp.primaries, _BT709), _BT2020)
    to_srgb = _convert_primaries(_BT2020, _BT709)
    compress = _choose_curve(max(1.0, cicp.peak / _REFERENCE_WHITE))
    light = [linearize(i / (_STEPS - 1)) for i in range(_STEPS)]

    def map_colour(red: float, green: float, blue: float) -> tuple[float, float, float]:
        linear = [light[round(value * (_STEPS - 1))] for value in (red, green, blue)]
        wide = to_bt2020(linear)
        if cicp.transfer == _HLG:
            wide = _show_scene(wide)
        brightest = max(wide)
        gain = compress(brightest) / brightest if brightest > 0 else 0.0
        first, second, third = (_encode_srgb(value * gain) for value in to_srgb(wide))
        return first, second, third

    return ImageFilter.Color3DLUT.generate(_STEPS, map_colour)


def _choose_curve(headroom: float) -> Callable[[float], float]:
    """Straight up to reference white, then a parabola by three control points that reaches 1 at the headroom."""
    white = 1 - 0.5 * min(math.log2(headroom) / math.log2(_USUAL_HEADROOM), 1.0)
    middle_x, middle_y = 0.35 + 0.65 / white, 0.35 * white + 0.65
    a, b = 1 - 2 * middle_x + headroom, 2 * (middle_x - 1)

    def compress(value: float) -> float:
        if value <= 1:
            return value * white
        if value >= headroom:
            return 1.0
        t = (math.sqrt(max(0.0, b * b + 4 * a * (value - 1))) - b) / (2 * a) if a else (value - 1) / b
        return white + t * (2 * (middle_y - white) + t * (white - 2 * middle_y + 1))

    return compress


def _linearize_pq(value: float) -> float:
    """SMPTE ST 2084, in multiples of reference white."""
    power = value ** (32 / 2523)
    light = max(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)
    return 10_000 / _REFERENCE_WHITE * float(light ** (8192 / 1305))


def _linearize_hlg(value: float) -> float:
    """The light of the scene, of 1."""
    return value * value / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _show_scene(wide: list[float]) -> list[float]:
    """What a display of 1000 cd/m² shows of it."""
    luminance = max(0.2627 * wide[0] + 0.6780 * wide[1] + 0.0593 * wide[2], 0.0)
    return [_USUAL_HEADROOM * value * luminance**0.2 for value in wide]


def _encode_srgb(value: float) -> float:
    value = min(1.0, max(0.0, value))
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _convert_primaries(source: tuple[float, ...], target: tuple[float, ...]) -> Callable[[list[float]], list[float]]:
    if source == target:
        return list
    matrix = combine(adapt_colorants(source), adapt_colorants(target))
    return lambda colour: [sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix]
