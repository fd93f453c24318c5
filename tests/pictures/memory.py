"""What decoding takes: computing, and peak memory, each file in a process forked from a small one.

Run as a module, it prints the memory of files as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from image_ingest.picture import identify_format, pipeline
from image_ingest.picture.formats import import_decoder, open_image
from image_ingest.picture.geometry import PHOTO_MARGIN, plan_resize, reduce_decoding
from image_ingest.picture.limits import estimate_memory
from image_ingest.picture.preparation import DECODER
from image_ingest.settings import PictureSettings

SETTINGS = PictureSettings(max_width=512, max_height=512)


def peak(work: Callable[[], object]) -> int:
    """The greatest resident size, in bytes, of a forked process that does the work."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def computed() -> float:
    """Seconds of computing so far by this process, its fork server, and the children of both that have ended."""
    DECODER.wait(0)  # the server answers when it has waited for the children that were killed
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(_read_computing, _find_children()))


def _find_children() -> list[Path]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [Path("/proc", child) for task in tasks for child in task.read_text(encoding="ascii").split()]


def _read_computing(process: Path) -> float:
    """Seconds of the process and of the children that it has waited for (proc(5): stat, 14 to 17)."""
    fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def convert(path: Path) -> None:
    """Prepares the file without a limit of memory."""
    source = path.read_bytes()
    pipeline.make_picture(source, identify_format(source), SETTINGS, 2**40)


def read(path: Path) -> None:
    """Only reads the file."""
    path.read_bytes()


def estimated(path: Path) -> int:
    """What the limits module expects of the file."""
    source = path.read_bytes()
    image = open_image(identify_format(source), source)
    goal = plan_resize(image.size, SETTINGS, sideways=False)
    reduce_decoding(image, goal, PHOTO_MARGIN)
    return estimate_memory(image, source, goal.size)


def measure(path: Path) -> dict[str, int]:
    """Bytes: `used` beyond reading the file, and `estimated`."""
    with path.open("rb") as file:
        import_decoder(identify_format(BytesIO(file.read(300)).getvalue()))
    used = peak(lambda: convert(path)) - peak(lambda: read(path))
    guess = peak_of_estimate(path)
    return {"used": used, "estimated": guess}


def peak_of_estimate(path: Path) -> int:
    """`estimated`, computed in a fork, so that this process stays small."""
    reader, writer = os.pipe()
    peak(lambda: os.write(writer, str(estimated(path)).encode()))
    os.close(writer)
    with os.fdopen(reader) as answer:
        return int(answer.read())


if __name__ == "__main__":
    pipeline.warm_up()
    json.dump({name: measure(Path(name)) for name in sys.argv[1:]}, sys.stdout)
