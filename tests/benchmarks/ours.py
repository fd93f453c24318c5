"""This function's part in the bench: a process that makes pictures as the worker does, and times itself.

A line of JSON in, milliseconds out: those of starting the child, and those from the last byte of the photo to the last
of the picture. Between the two the photo is written to where the worker downloads it, while the child warms up.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from image_ingest.deadline import Deadline
from image_ingest.picture import Preparation, prepare, probe_decoder, seccomp, stop, warm_up
from image_ingest.settings import PictureSettings

_DOWNLOAD_SECONDS = 0.03  # what S3 takes at least for a photo


def milliseconds(source: bytes, box: int) -> float:
    """Of one picture, its child started ahead."""
    settings = PictureSettings(max_width=box, max_height=box)
    began = time.perf_counter()
    with closing(Preparation()) as preparation:
        preparation.start(settings)
        started = time.perf_counter()
        preparation.file.write(source)
        preparation.file.flush()
        while time.perf_counter() < started + _DOWNLOAD_SECONDS:
            time.sleep(0.001)  # as data arrives in pieces; the child has the core meanwhile
        there = time.perf_counter()
        preparation.make_picture(settings, Deadline(120))
        return (started - began + time.perf_counter() - there) * 1000


def late_milliseconds(source: bytes, box: int) -> float:
    """Of one picture, all of it."""
    began = time.perf_counter()
    prepare(source, PictureSettings(max_width=box, max_height=box), Deadline(120))
    return (time.perf_counter() - began) * 1000


def made(source: bytes, box: int) -> bytes:
    """One picture, its child started ahead of the bytes and warm when they are there."""
    settings = PictureSettings(max_width=box, max_height=box)
    with closing(Preparation()) as preparation:
        preparation.start(settings)
        preparation.file.write(source)
        time.sleep(_DOWNLOAD_SECONDS)
        return preparation.make_picture(settings, Deadline(120)).data


def peak(source: bytes, box: int) -> float:
    """MiB that a picture's child holds at most, the photo among them, and shares with no other process."""
    warm_up()
    probe_decoder(Deadline(60))  # answered when the server has loaded everything
    (server,) = _find_children(os.getpid())
    seen = [0]
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(made, source, box)
        while not making.done():
            seen += [_read_private_memory(child) for child in _find_children(server)]
        making.result()
    stop()
    return max(seen) / 1024


def _find_children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _read_private_memory(process: int) -> int:
    """KiB; 0 if it has ended."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE))
    return 0


def measure_filter() -> float:
    """Milliseconds of computing that installing the filter of system calls takes, the median of 40 children."""
    seccomp.load()
    return statistics.median(_time_filter() for _ in range(40))


def _time_filter() -> float:
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(its, seccomp.ANSWER_FD)
        before = time.process_time()
        seccomp.confine("JPEG")
        os.write(seccomp.ANSWER_FD, str((time.process_time() - before) * 1000).encode())
        os._exit(0)
    os.waitpid(child, 0)
    taken = float(os.read(ours, 100))
    os.close(ours)
    os.close(its)
    return taken


def main() -> None:
    warm_up()
    timed = late_milliseconds if "--late" in sys.argv else milliseconds
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(f"{timed(Path(order['path']).read_bytes(), order['box'])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
