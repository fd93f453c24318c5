"""What the package makes: a picture as it is sent to SuperOffice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ContentType = Literal["image/jpeg", "image/png"]


@dataclass(frozen=True)
class Picture:
    """An encoded picture. `source_format` is what it was made from, such as `JPEG` or `MPO`; sizes are in pixels."""

    data: bytes
    content_type: ContentType
    width: int
    height: int
    source_format: str
