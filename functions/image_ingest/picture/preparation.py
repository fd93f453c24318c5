"""The worker's side: starts the decoding process, hands it the source, and translates its result.

Decoding happens in a child process, because no limit inside a process survives a decoder that crashes, stalls or takes
all memory (docs/threats.md).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from io import BufferedRandom

from image_ingest.deadline import Deadline
from image_ingest.errors import CATALOGUE, Deferred, IngestError, Rejected
from image_ingest.picture.formats import FORMATS, HEAD_BYTES, identify_format
from image_ingest.picture.isolation import ChildDied, ForkServer, Isolation, Limits
from image_ingest.picture.memory import foresee_touched, leave_memory
from image_ingest.picture.picture import Picture
from image_ingest.settings import PictureSettings

CPU_SECONDS = {"HEIF": 12, "AVIF": 8, "GIF": 8, "PNG": 6, "TIFF": 6, "JPEG": 4, "WEBP": 4, "BMP": 4}
# Twice what the largest accepted pictures take on the machine of the bench; a stall ends here.
WALL_SECONDS = 40.0  # the same for a worker with a small share of a core
_REFUSALS = ("image.unsupported-format", "image.unreadable", "image.too-many-pixels", "worker.failed")
_MAGIC = {"image/jpeg": b"\xff\xd8\xff\xe0", "image/png": b"\x89PNG"}
_FUNCTION_FAILURES: dict[str, str] = {
    "no-process": "The process that decodes pictures did not start.",
    "unfit-filter": (
        "The filter of system calls ends the decoding of a sound picture too, so it does not fit this runtime."
    ),
}
_TOO_MUCH: dict[str, str] = {
    "memory": "Decoding the picture took more memory than the function has.",
    "cpu": "Decoding the picture took more computing than the largest pictures need.",
    "stalled": "Decoding the picture took more time than the largest pictures need.",
}
_HARM: dict[str, str] = {
    "forbidden": (
        "The picture made its decoder attempt a system call that no decoding needs, so it is hostile."
        " The attempt was stopped."
    ),
    "crashed": "The picture crashed its decoder, so it is damaged or hostile.",
}
_OWN_PICTURE = base64.b64decode(  # a grey JPEG of 16 x 16 pixels
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCN"
    "l4x9lnN+gXz/wAALCAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAUG/8QAFhAAAwAAAAAAAAAAAAAAAAAAABVi/9oACAEBAAA/AIqu"
    "Qrk2iyQsk//Z"
)
DECODER = ForkServer("image_ingest.picture.decoder")


class Preparation:
    """One picture being made: its bytes are written to `file`, and the process that decodes them may start before."""

    def __init__(self, server: ForkServer = DECODER) -> None:
        """`server` provides the process. Raises Deferred `worker.failed`."""
        self._server = server
        with _translate_child_failure():
            self._isolation = Isolation(server)
        self.file: BufferedRandom = self._isolation.file

    def close(self) -> None:
        """Ends the process and releases the file."""
        self._isolation.close()

    def start(self, settings: PictureSettings) -> None:
        """Starts the process, which warms up while the bytes arrive. Raises Deferred `worker.failed`."""
        with _translate_child_failure():
            self._isolation.start(foresee_touched(settings.max_width, settings.max_height))

    @property
    def is_confined(self) -> bool | None:
        """Whether the kernel filtered the decoder's system calls; None before a picture was made."""
        return self._isolation.is_confined

    def make_picture(self, settings: PictureSettings, deadline: Deadline) -> Picture:
        """The picture in `file`: upright, sRGB, bounded, without metadata, JPEG or PNG.

        Raises Rejected `image.unsupported-format`, `image.unreadable`, `image.too-many-pixels`;
        Deferred `worker.out-of-time` when the deadline ended the decoding, `worker.failed`.
        """
        seconds = deadline.bound(WALL_SECONDS)
        with _translate_child_failure(out_of_time=seconds < WALL_SECONDS):
            try:
                return _decode(self._isolation, settings, seconds)
            except ChildDied as death:
                if death.cause == "forbidden" and probe_decoder(deadline, self._server) is None:
                    raise ChildDied("unfit-filter") from None
                raise


def prepare(source: bytes, settings: PictureSettings, deadline: Deadline, server: ForkServer = DECODER) -> Picture:
    """Makes the picture of `source`. Raises what `Preparation.make_picture` raises."""
    with closing(Preparation(server)) as preparation:
        preparation.file.write(source)
        return preparation.make_picture(settings, deadline)


def probe_decoder(deadline: Deadline, server: ForkServer = DECODER) -> bool | None:
    """Decodes a picture of its own: whether the kernel confined the process, None if it did not decode the picture."""
    settings = PictureSettings(max_width=8, max_height=8)
    with suppress(IngestError, ChildDied), closing(Isolation(server)) as isolation:
        isolation.file.write(_OWN_PICTURE)
        _decode(isolation, settings, deadline.bound(WALL_SECONDS))
        return isolation.is_confined
    return None


def warm_up() -> None:
    """Starts the process that decoding processes are forked from. Raises Deferred `worker.failed`."""
    with _translate_child_failure():
        DECODER.start()


def stop() -> None:
    """Ends what `warm_up` starts; the next picture starts it again."""
    DECODER.stop()


def _decode(isolation: Isolation, settings: PictureSettings, seconds: float) -> Picture:
    """The picture in the isolation's file. Raises Rejected, Deferred, ChildDied."""
    size = isolation.file.seek(0, os.SEEK_END)
    isolation.file.seek(0)
    source_format = identify_format(isolation.file.read(HEAD_BYTES))
    memory = leave_memory(settings.function_memory, size)
    order = {"source_format": source_format, "memory": memory, "settings": asdict(settings)}
    limits = Limits(memory=memory, cpu_seconds=CPU_SECONDS[source_format], wall_seconds=seconds)
    return _read_answer(isolation.run(json.dumps(order).encode(), limits), settings)


@contextmanager
def _translate_child_failure(*, out_of_time: bool = False) -> Iterator[None]:
    """Raises a ChildDied as the refusal or deferral that it means."""
    try:
        yield
    except ChildDied as death:
        raise _explain_death(death, out_of_time=out_of_time) from None


def _explain_death(death: ChildDied, *, out_of_time: bool) -> Rejected | Deferred:
    if death.cause == "stalled" and out_of_time:
        return Deferred("worker.out-of-time", "The worker's time ran out while the picture was being decoded.")
    if death.cause in _FUNCTION_FAILURES:
        return Deferred("worker.failed", _FUNCTION_FAILURES[death.cause])
    if death.cause in _TOO_MUCH:
        return Rejected("image.too-many-pixels", _TOO_MUCH[death.cause])
    return Rejected("image.unreadable", _HARM[death.cause])


def _read_answer(answer: bytes, settings: PictureSettings) -> Picture:
    """The picture, or the refusal raised. An answer that the decoder does not give is forged: ChildDied `crashed`."""
    try:
        head, _, data = answer.partition(b"\n")
        fields = json.loads(head)
        if "code" in fields:
            raise _read_refusal(str(fields["code"]), str(fields["message"]))
        picture = Picture(data=data, **fields)
        if not _is_plausible(picture, settings):
            raise ChildDied("crashed")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ChildDied("crashed") from None
    return picture


def _read_refusal(code: str, message: str) -> Rejected | Deferred:
    if code not in _REFUSALS:
        raise ChildDied("crashed")
    return Rejected(code, message) if CATALOGUE[code].disposition == "reject" else Deferred(code, message)


def _is_plausible(picture: Picture, settings: PictureSettings) -> bool:
    sizes = ((picture.width, settings.max_width), (picture.height, settings.max_height))
    return (
        _MAGIC.get(picture.content_type, b"?") == picture.data[:4]
        and picture.source_format in FORMATS
        and all(type(size) is int and 1 <= size <= most for size, most in sizes)
    )
