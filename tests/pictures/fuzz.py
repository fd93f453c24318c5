"""Damages the corpus and watches: every file must end stored and sound, or rejected with an image code.

`python -m tests.pictures.fuzz --minutes 5 [--seed N]` for longer than the tests do it.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from image_ingest.errors import Rejected
from image_ingest.settings import PictureSettings
from tests.pictures.checks import prepared
from tests.pictures.corpus import CORPUS

LARGEST_SEED = 200_000  # bytes; larger samples are slow and say nothing new
_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_SETTINGS = (
    PictureSettings(),
    PictureSettings(max_width=64, max_height=48),
    PictureSettings(max_width=100, max_height=40, fit="cover"),
)


def seeds() -> list[bytes]:
    """The small files of the corpus."""
    return [data for sample in CORPUS if 0 < len(data := sample.make()) <= LARGEST_SEED]


def mutations(files: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Damaged files without end, the same for the same seed."""
    chance = random.Random(seed)
    while True:
        data = bytearray(chance.choice(files))
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            _damage(data, chance, files)
        yield bytes(data)


def _damage(data: bytearray, chance: random.Random, files: Sequence[bytes]) -> None:
    if not data:
        return
    at = chance.randrange(min(len(data), chance.choice((64, 1024, 2**30))))
    kind = chance.randrange(6)
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at] = chance.choice(_EDGES)
    elif kind == 2:
        data[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff"))
    elif kind == 3:
        del data[at : at + chance.randrange(1, 64)]
    elif kind == 4:
        data[at:at] = data[at : at + chance.randrange(1, 256)]
    else:
        other = chance.choice(files)
        start = chance.randrange(len(other))
        data[at : at + 64] = other[start : start + chance.randrange(1, 256)]


def outcome(data: bytes, settings: PictureSettings) -> str:
    """What the file came to: a content type or a code. Raises whatever must not happen."""
    try:
        return prepared(data, settings).content_type
    except Rejected as refusal:
        code = refusal.code
    assert code.startswith("image."), code
    return code


def run(seed: int, files: int, seconds: float) -> Counter[str]:
    """Tries so many files, or as many as so many seconds allow. Keeps the file that fails, and raises."""
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    for number, data in enumerate(mutations(seeds(), seed)):
        if number >= files or time.monotonic() > end:
            break
        try:
            counts[outcome(data, _SETTINGS[number % len(_SETTINGS)])] += 1
        except Exception:
            found = Path(f"fuzz-{hashlib.sha256(data).hexdigest()[:12]}.bin")
            found.write_bytes(data)
            sys.stderr.write(f"seed {seed}, file {number}: kept as {found}\n")
            raise
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    counts = run(options.seed, sys.maxsize, options.minutes * 60)
    sys.stdout.write(f"seed {options.seed}: {counts.total()} files, none of them harmful\n")
    for name, count in counts.most_common():
        sys.stdout.write(f"{count:8} {name}\n")


if __name__ == "__main__":
    main()
