"""What a decoding process does: one order and one source → one picture. The fork server imports it, nobody else."""

from __future__ import annotations

import json
from dataclasses import asdict
from mmap import mmap

from image_ingest.errors import Rejected
from image_ingest.picture import pipeline
from image_ingest.picture.memory import MOST_TOUCHED_BYTES
from image_ingest.picture.preloading import preload
from image_ingest.settings import PictureSettings


def start() -> None:
    """Makes a picture of its own, so that everything which that loads is loaded."""
    bytes(MOST_TOUCHED_BYTES)  # untouched; glibc learns from its release to keep as much of what is released later
    pipeline.warm_up()


def get_ready(touched: int) -> None:
    """Touches that many bytes of memory, as the first time is slow, and makes a picture of its own."""
    bytearray(touched)
    pipeline.warm_up()


def load(order: bytes) -> str:
    """Imports and opens what decoding this format needs. The format's name."""
    source_format = str(json.loads(order)["source_format"])
    preload(source_format)
    return source_format


def work(order: bytes, source: mmap) -> bytes:
    """One line of JSON, then the picture's bytes."""
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
