"""Bytes of any accepted format → an upright, bounded sRGB picture without metadata, or a clear refusal.

Decoding is done in a child process of its own, because no limit inside a process survives a decoder that crashes,
stalls or takes all memory (docs/threats.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import file_digest
from io import BufferedRandom
from mmap import mmap
from typing import Literal

from image_ingest.deadline import Deadline
from image_ingest.errors import CATALOGUE, Deferred, Rejected
from image_ingest.picture.formats import HEAD_BYTES, import_decoder, sniff
from image_ingest.picture.isolation import ChildDied, Isolation, Limits
from image_ingest.settings import PictureSettings

ContentType = Literal["image/jpeg", "image/png"]

MIB = 2**20
RUNTIME_BYTES = 160 * MIB  # Lambda's Python, boto3, Pillow and this function, before any picture
DEFAULT_MEMORY_MIB = 1024  # where no Lambda says how much there is
CPU_SECONDS = 4  # what the largest accepted pictures take, twice over; a stall ends here
WALL_SECONDS = 20.0  # the same for a worker with a small share of a core


@dataclass(frozen=True)
class Picture:
    """What is sent to SuperOffice."""

    data: bytes
    content_type: ContentType
    width: int
    height: int
    source_format: str


class Preparation:
    """One picture on its way: its bytes go to `file`, and the process that decodes them may be started meanwhile."""

    def __init__(self) -> None:
        """Raises Deferred `worker.failed`."""
        with _blame():
            self._isolation = Isolation(_warm_child, _answer)
        self.file: BufferedRandom = self._isolation.file

    def close(self) -> None:
        """Ends the process and gives the file back."""
        self._isolation.close()

    def start(self) -> None:
        """Starts the process, which then is warm when the bytes are there. Raises Deferred `worker.failed`."""
        warm_up()
        with _blame():
            self._isolation.start()

    def sha256(self) -> str:
        """Of the bytes in `file`, in hexadecimal."""
        self.file.seek(0)
        return file_digest(self.file, "sha256").hexdigest()

    def picture(self, settings: PictureSettings, deadline: Deadline) -> Picture:
        """The picture in `file`: upright, sRGB, bounded, no metadata, JPEG or PNG.

        Raises Rejected `image.unsupported-format`, `image.unreadable`, `image.too-many-pixels`;
        Deferred `worker.out-of-time` when the deadline, not the picture, is to blame, `worker.failed`.
        """
        seconds = deadline.bound(WALL_SECONDS)
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(0)
        source_format = sniff(self.file.read(HEAD_BYTES))
        if import_decoder(source_format):
            self._isolation.stop()  # the process was started without it
        self.start()
        memory = _memory_beside(size)
        order = {"source_format": source_format, "memory": memory, "settings": asdict(settings)}
        limits = Limits(memory=memory, cpu_seconds=CPU_SECONDS, wall_seconds=seconds)
        with _blame(out_of_time=seconds < WALL_SECONDS):
            return _picture(self._isolation.run(json.dumps(order).encode(), limits))


def prepare(source: bytes, settings: PictureSettings, deadline: Deadline) -> Picture:
    """What `Preparation.picture` makes of `source`. Raises what that raises."""
    with closing(Preparation()) as preparation:
        preparation.file.write(source)
        return preparation.picture(settings, deadline)


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Loads what every picture takes, once, so that no child has to."""
    from image_ingest.picture import pipeline

    pipeline.warm_up()


def _memory_beside(source: int) -> int:
    """Bytes that decoding may take in this function: what the runtime and a source of so many bytes leave."""
    mib = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or DEFAULT_MEMORY_MIB)
    return max(mib * MIB - RUNTIME_BYTES - source, 16 * MIB)


@contextmanager
def _blame(*, out_of_time: bool = False) -> Iterator[None]:
    """Raises a ChildDied inside as the refusal or deferral that it means."""
    try:
        yield
    except ChildDied as death:
        raise _verdict(death, out_of_time=out_of_time) from None


def _verdict(death: ChildDied, *, out_of_time: bool) -> Rejected | Deferred:
    if death.cause == "no-process":
        return Deferred("worker.failed", "The process that decodes pictures did not start.")
    if death.cause == "stalled" and out_of_time:
        return Deferred("worker.out-of-time", "The worker's time ran out while the picture was being decoded.")
    if death.cause == "memory":
        return Rejected("image.too-many-pixels", "Decoding the picture took more memory than the function has.")
    if death.cause in ("cpu", "stalled"):
        return Rejected("image.too-many-pixels", f"Decoding the picture took more than {CPU_SECONDS} s of computing.")
    return Rejected("image.unreadable", "The picture crashed its decoder, so it is damaged or hostile.")


def _warm_child() -> None:
    """Does once what would be slow at first."""
    from image_ingest.picture import pipeline
    from image_ingest.picture.threads import start_helper

    start_helper()
    pipeline.warm_up()


def _answer(order: bytes, source: mmap) -> bytes:
    """Runs in the child: one line of JSON, then the picture's bytes."""
    from image_ingest.picture import pipeline

    fields = json.loads(order)
    settings = PictureSettings(**fields["settings"])
    try:
        result = pipeline.convert(source, fields["source_format"], settings, fields["memory"])
    except Rejected as refusal:
        return _refusal(refusal.code, refusal.message)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent must hear of it; it becomes worker.failed, nothing else
        return _refusal("worker.failed", f"Converting the decoded picture failed: {type(error).__name__}.")
    picture = result.encoded
    head = {
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "source_format": result.source_format,
    }
    return json.dumps(head).encode() + b"\n" + picture.data


def _refusal(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode() + b"\n"


def _picture(answer: bytes) -> Picture:
    head, _, data = answer.partition(b"\n")
    fields = json.loads(head)
    if "code" in fields:
        code, message = str(fields["code"]), str(fields["message"])
        raise Rejected(code, message) if CATALOGUE[code].disposition == "reject" else Deferred(code, message)
    return Picture(data=data, **fields)
