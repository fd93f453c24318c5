"""This function's part in the bench: a process that makes pictures as the worker does, and times itself.

A line of JSON in, milliseconds out: those of starting the child, and those from the last byte of the photo to the last
of the picture. Between the two the photo is written to where the worker downloads it, while the child warms up.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
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
        preparation.start()
        started = time.perf_counter()
        preparation.file.write(source)
        preparation.file.flush()
        while time.perf_counter() < started + _DOWNLOAD_SECONDS:  # awake, as the other contestants are
            pass
        there = time.perf_counter()
        preparation.make_picture(settings, Deadline(120))
        return (started - began + time.perf_counter() - there) * 1000


def late_milliseconds(source: bytes, box: int) -> float:
    """Of one picture, all of it."""
    began = time.perf_counter()
    prepare(source, PictureSettings(max_width=box, max_height=box), Deadline(120))
    return (time.perf_counter() - began) * 1000


def made(source: bytes, box: int) -> bytes:
    """One picture, its child started ahead of the bytes."""
    with closing(Preparation()) as preparation:
        preparation.start()
        preparation.file.write(source)
        return preparation.make_picture(PictureSettings(max_width=box, max_height=box), Deadline(120)).data


def peak(source: bytes, box: int) -> float:
    """MiB that a picture's child holds at most, the photo among them, beyond what the fork server holds."""
    warm_up()
    probe_decoder(Deadline(60))  # answered when the server has loaded everything
    (server,) = _find_children()
    status = Path(f"/proc/{server}/status").read_text(encoding="ascii")
    idle = int(status.partition("VmRSS:")[2].split()[0])
    made(source, box)
    return (_largest_child() - idle) / 1024


def _find_children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


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


def _largest_child() -> int:
    stop()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def main() -> None:
    warm_up()
    timed = late_milliseconds if "--late" in sys.argv else milliseconds
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(f"{timed(Path(order['path']).read_bytes(), order['box'])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
