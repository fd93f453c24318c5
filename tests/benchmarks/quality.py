"""How close a result comes to that of a full decode: mean structural similarity (Wang et al. 2004) of lightness."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import Any

from PIL import Image

from image_ingest.picture import pipeline
from image_ingest.settings import PictureSettings
from tests.benchmarks.photos import line_art, photo, small_type
from tests.pictures.makers import encoded

np: Any = importlib.import_module("numpy")

SUBJECTS = {"photo": photo, "small type": small_type, "line art": line_art}
_SPREAD = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def similarities(box: int, ratios: tuple[float, ...]) -> dict[str, float]:
    """The least similarity of each subject, over sources so many times as large as the box."""
    return {
        name: min(
            _similarity(encoded(make(round(box * ratio), round(box * ratio * 3 / 4)), "JPEG", quality=93), box)
            for ratio in ratios
        )
        for name, make in SUBJECTS.items()
    }


def _similarity(source: bytes, box: int) -> float:
    """Of the result before it is encoded."""
    settings = PictureSettings(max_width=box, max_height=box)
    _, result = pipeline.shrink_source(source, "JPEG", settings, 2**40)
    with Image.open(BytesIO(source)) as whole:
        reference = whole.resize(result.size, Image.Resampling.LANCZOS)
    return ssim(result, reference)


def ssim(first: Image.Image, second: Image.Image) -> float:
    x, y = (np.asarray(image.convert("L"), np.float64) for image in (first, second))
    mean_x, mean_y = _blurred(x), _blurred(y)
    spread_x, spread_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    shared = _blurred(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * shared + _C2)
    return float((top / ((mean_x**2 + mean_y**2 + _C1) * (spread_x + spread_y + _C2))).mean())


def _blurred(values: Any) -> Any:
    reach = np.arange(-5, 6)
    weights = np.exp(-(reach**2) / (2 * _SPREAD**2))
    weights /= weights.sum()
    padded = np.pad(values, 5, mode="reflect")
    height, width = values.shape
    rows = sum(weight * padded[:, i : i + width] for i, weight in enumerate(weights))
    return np.asarray(sum(weight * rows[i : i + height] for i, weight in enumerate(weights)))
