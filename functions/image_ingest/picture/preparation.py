"""The worker's side: starts the decoding process, hands it the source, and translates its result.

Decoding happens in a child process, because no limit inside a process survives a decoder that crashes, stalls or takes
all memory (docs/threats.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import lru_cache
from hashlib import file_digest
from io import BufferedRandom
from mmap import mmap

from image_ingest.deadline import Deadline
from image_ingest.errors import CATALOGUE, Deferred, Rejected
from image_ingest.picture.formats import HEAD_BYTES, identify_format, import_decoder
from image_ingest.picture.isolation import ChildDied, Isolation, Limits
from image_ingest.picture.picture import Picture
from image_ingest.settings import PictureSettings

MIB = 2**20
RUNTIME_BYTES = 160 * MIB  # Lambda's Python, boto3, Pillow and this function, before any picture
LEAST_MEMORY = 16 * MIB
CPU_SECONDS = 4  # twice what the largest accepted pictures take; a stall ends here
WALL_SECONDS = 20.0  # the same for a worker with a small share of a core
_PHOTO_BYTES = 6 * MIB  # what a photo takes on its way to 512 pixels


class Preparation:
    """One picture being made: its bytes are written to `file`, and the process that decodes them may start before."""

    def __init__(self) -> None:
        """Raises Deferred `worker.failed`."""
        with _translate_child_failure():
            self._isolation = Isolation(_warm_up_child, _make_answer)
        self.file: BufferedRandom = self._isolation.file

    def close(self) -> None:
        """Ends the process and releases the file."""
        self._isolation.close()

    def start(self) -> None:
        """Starts the process, which warms up while the bytes arrive. Raises Deferred `worker.failed`."""
        warm_up()
        with _translate_child_failure():
            self._isolation.start()

    def compute_sha256(self) -> str:
        """Of the bytes in `file`, in hexadecimal."""
        self.file.seek(0)
        return file_digest(self.file, "sha256").hexdigest()

    def make_picture(self, settings: PictureSettings, deadline: Deadline) -> Picture:
        """The picture in `file`: upright, sRGB, bounded, without metadata, JPEG or PNG.

        Raises Rejected `image.unsupported-format`, `image.unreadable`, `image.too-many-pixels`;
        Deferred `worker.out-of-time` when the deadline ended the decoding, `worker.failed`.
        """
        seconds = deadline.bound(WALL_SECONDS)
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(0)
        source_format = identify_format(self.file.read(HEAD_BYTES))
        if import_decoder(source_format):
            self._isolation.stop()  # the process was started without it
        self.start()
        memory = _leave_memory(settings.function_memory, size)
        order = {"source_format": source_format, "memory": memory, "settings": asdict(settings)}
        limits = Limits(memory=memory, cpu_seconds=CPU_SECONDS, wall_seconds=seconds)
        with _translate_child_failure(out_of_time=seconds < WALL_SECONDS):
            return _read_answer(self._isolation.run(json.dumps(order).encode(), limits))


def prepare(source: bytes, settings: PictureSettings, deadline: Deadline) -> Picture:
    """Makes the picture of `source`. Raises what `Preparation.make_picture` raises."""
    with closing(Preparation()) as preparation:
        preparation.file.write(source)
        return preparation.make_picture(settings, deadline)


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Loads once what every picture needs, so that no child has to."""
    from image_ingest.picture import pipeline

    pipeline.warm_up()


def _leave_memory(function_memory: int, source: int) -> int:
    """Bytes that decoding may take: what the runtime and a source of this size leave of the function's memory."""
    return max(function_memory - RUNTIME_BYTES - source, LEAST_MEMORY)


@contextmanager
def _translate_child_failure(*, out_of_time: bool = False) -> Iterator[None]:
    """Raises a ChildDied as the refusal or deferral that it means."""
    try:
        yield
    except ChildDied as death:
        raise _explain_death(death, out_of_time=out_of_time) from None


def _explain_death(death: ChildDied, *, out_of_time: bool) -> Rejected | Deferred:
    if death.cause == "no-process":
        return Deferred("worker.failed", "The process that decodes pictures did not start.")
    if death.cause == "stalled" and out_of_time:
        return Deferred("worker.out-of-time", "The worker's time ran out while the picture was being decoded.")
    if death.cause == "memory":
        return Rejected("image.too-many-pixels", "Decoding the picture took more memory than the function has.")
    if death.cause in ("cpu", "stalled"):
        return Rejected("image.too-many-pixels", f"Decoding the picture took more than {CPU_SECONDS} s of computing.")
    return Rejected("image.unreadable", "The picture crashed its decoder, so it is damaged or hostile.")


def _warm_up_child() -> None:
    """Does once what would be slow the first time."""
    from image_ingest.picture import pipeline

    bytes(_PHOTO_BYTES)  # untouched; glibc learns from its release to keep as much of what is released later
    bytearray(_PHOTO_BYTES)  # the first touch of a page is slow
    pipeline.warm_up()


def _make_answer(order: bytes, source: mmap) -> bytes:
    """Runs in the child: one line of JSON, then the picture's bytes."""
    from image_ingest.picture import pipeline

    fields = json.loads(order)
    settings = PictureSettings(**fields["settings"])
    try:
        picture = pipeline.make_picture(source, fields["source_format"], settings, fields["memory"])
    except Rejected as refusal:
        return _write_refusal(refusal.code, refusal.message)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # reported to the parent, where it becomes worker.failed
        return _write_refusal("worker.failed", f"Converting the decoded picture failed: {type(error).__name__}.")
    head = asdict(picture)
    data = head.pop("data")
    return json.dumps(head).encode() + b"\n" + bytes(data)


def _write_refusal(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode() + b"\n"


def _read_answer(answer: bytes) -> Picture:
    head, _, data = answer.partition(b"\n")
    fields = json.loads(head)
    if "code" in fields:
        code, message = str(fields["code"]), str(fields["message"])
        raise Rejected(code, message) if CATALOGUE[code].disposition == "reject" else Deferred(code, message)
    return Picture(data=data, **fields)
