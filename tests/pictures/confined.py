"""Every picture comes out the same with and without the filter of system calls.

`python -m tests.pictures.confined FOLDER`, or `--minutes 10 [--seed N]` for damaged files.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from image_ingest.deadline import Deadline
from image_ingest.errors import IngestError
from image_ingest.picture import Picture
from image_ingest.picture.isolation import ForkServer
from image_ingest.picture.preparation import DECODER, prepare
from image_ingest.settings import PictureSettings
from tests.pictures.fuzz import mutations, seeds

UNCONFINED = ForkServer("tests.pictures.refusing")


def describe(source: bytes, server: ForkServer) -> str:
    """What becomes of the source: the picture's bytes, or the refusal with its message."""
    try:
        picture = prepare(source, PictureSettings(), Deadline(60), server)
    except IngestError as failure:
        return f"{failure.code}: {failure.message}"
    return describe_picture(picture)


def describe_picture(picture: Picture) -> str:
    """Equal for equal pictures."""
    digest = hashlib.sha256(picture.data).hexdigest()
    return f"{picture.content_type} {picture.width}x{picture.height} {digest}"


def find_differences(sources: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """The sources that the filter changes anything for, and how."""
    for name, source in sources:
        with_filter, without = describe(source, DECODER), describe(source, UNCONFINED)
        if with_filter != without:
            yield f"{name}: {with_filter} | without the filter: {without}"


def _read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size:
            yield str(path.relative_to(folder)), path.read_bytes()


def _damage_for(minutes: float, seed: int) -> Iterator[tuple[str, bytes]]:
    end = time.monotonic() + 60 * minutes
    for number, source in enumerate(mutations(seeds(), seed)):
        if time.monotonic() > end:
            return
        yield f"seed {seed}, file {number}", source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    sources = _read_folder(options.folder) if options.folder else _damage_for(options.minutes, options.seed)
    count, differences = 0, 0
    for name, source in sources:
        count += 1
        for difference in find_differences([(name, source)]):
            differences += 1
            sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{count} files, {differences} with a difference\n")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
