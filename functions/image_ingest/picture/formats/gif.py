"""GIF: the first frame on its canvas. What the frame leaves free is transparent."""

from __future__ import annotations

from typing import Any

from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import open_file


class Gif(GifImageFile):
    """A GIF as Pillow opens it, in mode P or L, or RGBA where the frame leaves part of the canvas free."""

    def load(self) -> Any:
        if not self.tile:
            return super().load()
        frame = self.tile[0].extents
        pixels = super().load()
        if frame is None or frame == (0, 0, *self.size) or "transparency" in self.info:
            return pixels
        self._clear_around(frame)
        return super().load()

    def _clear_around(self, frame: tuple[int, int, int, int]) -> None:
        """Uses a colour that the frame does not use, or RGBA if it uses all."""
        part = self._new(self.im.crop(frame))
        unused = next((i for i, count in enumerate(part.histogram()) if not count), None) if self.mode == "P" else None
        if unused is None:
            canvas = Image.new("RGBA", self.size)
            canvas.paste(part.convert("RGBA"), frame)
            self.im, self._mode, self.palette = canvas.im, "RGBA", None
            return
        canvas = self._new(self.im)
        canvas.paste(unused, (0, 0, *self.size))
        canvas.paste(part, frame)
        self.im = canvas.im
        self.info["transparency"] = unused


def open_gif(source: Source) -> Gif:
    """Raises whatever the decoder raises."""
    return Gif(open_file(source))
