"""Measures the picture pipeline against others on the same photos, in turns, in one run, on one core: `make bench`.

The function has less than one core. Writes docs/pictures-bench.md and docs/pictures-bench.png.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import PIL
from PIL import Image, ImageDraw, ImageFont

from tests import ROOT
from tests.benchmarks import ours
from tests.benchmarks.contestants import CONTESTANTS, Contestant, Timer, milliseconds, pyvips, timers
from tests.benchmarks.photos import photo_file
from tests.benchmarks.quality import similarities
from tests.pictures.memory import computed

DOCS = ROOT / "docs"
PHOTOS = {
    "2 MP": (2, False),
    "12 MP": (12, False),
    "24 MP": (24, False),
    "48 MP": (48, False),
    "24 MP progressive": (24, True),
}
BOXES = (512, 1024)
RATIOS = (2.9, 3.8, 5.7, 7.5)  # just above those where less is decoded
COLOURS = {
    "naive+ICC": "#b8b8b8",
    "naive": "#8f8f8f",
    "sharp": "#7fb3d5",
    "pyvips": "#4a90c2",
    "ours, late": "#8cc4a2",
    "ours": "#1f8a4c",
    "in process": "#b5dcc6",
    "floor": "#d9c27a",
}


@dataclass(frozen=True)
class Target:
    """`numerator` takes at least (or, with `most`, at most) `bound` times as long as `denominator`."""

    photo: str
    box: int
    numerator: str
    denominator: str
    bound: float
    most: bool = False


TARGETS = (
    *(Target(f"{mp} MP", 512, "naive", "ours", bound) for mp, bound in ((12, 3.0), (24, 2.7), (48, 3.5))),
    *(Target(f"{mp} MP", 512, "naive+ICC", "ours", 6.0) for mp in (12, 24, 48)),
    *(Target(f"{mp} MP", 512, "ours", "pyvips", 1.2, most=True) for mp in (12, 24, 48)),
    *(Target(f"{mp} MP", 512, "ours", "floor", bound, most=True) for mp, bound in ((12, 1.7), (24, 1.5), (48, 1.3))),
    *(Target(f"{mp} MP", 1024, "naive", "ours", 1.8) for mp in (12, 24, 48)),
    *(Target(f"{mp} MP", 1024, "naive", "ours", 1.0) for mp in (2,)),
    *(Target(f"{mp} MP", 1024, "ours", "pyvips", 1.0, most=True) for mp in (2, 12, 24, 48)),
    Target("24 MP progressive", 512, "naive", "ours", 1.4),
)


@dataclass
class Results:
    """Milliseconds by photo, box, contestant, round; at 24 MP to 512 "memory" in MiB and "computing" in ms by
    contestant; similarity by box, subject.
    """

    times: dict[tuple[str, int], dict[str, list[float]]] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    quality: dict[int, dict[str, float]] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)
    filter: float = 0.0  # milliseconds

    def ratio(self, photo: str, box: int, first: str, second: str) -> float:
        """How many times as long the first takes; taken round by round, as the machine's load changes between them."""
        times = self.times[photo, box]
        return statistics.median(a / b for a, b in zip(times[first], times[second], strict=True))


def use_one_core() -> None:
    """For this process and what it starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure(rounds: int) -> Results:
    pyvips.cache_set_max(0)
    before = os.getloadavg()[0]
    results, others = Results(), timers()
    for name, (megapixels, progressive) in PHOTOS.items():
        for box in BOXES:
            results.times[name, box] = _times(photo_file(megapixels, progressive=progressive), box, rounds, others)
            sys.stdout.write(f"{name} to {box}\n")
    for timer in others.values():
        timer.close()
    results.load = (before, os.getloadavg()[0])
    results.figures = {name: in_fresh_process(name) for name in (*CONTESTANTS, "ours")}
    results.filter = ours.measure_filter()
    results.quality = {box: similarities(box, RATIOS) for box in BOXES}
    return results


def _times(path: Path, box: int, rounds: int, others: dict[str, Timer]) -> dict[str, list[float]]:
    source = path.read_bytes()
    samples: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        taken = {name: milliseconds(contestant, source, box) for name, contestant in CONTESTANTS.items()}
        taken |= {name: timer.milliseconds(path, box) for name, timer in others.items()}
        if turn:  # the first one warms up
            for name, value in taken.items():
                samples.setdefault(name, []).append(value)
    return samples


def in_fresh_process(contestant: str) -> dict[str, float]:
    """Peak memory in MiB above what the process holds after its imports, the file included; ms of computing."""
    command = [sys.executable, "-m", "tests.benchmarks.pictures", "--figures-of", contestant]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def own_figures(contestant: str) -> dict[str, float]:
    path = photo_file(24)
    if contestant == "ours":  # works in a child process
        source = path.read_bytes()
        return {"memory": ours.peak(source, 512), "computing": _computing(ours.made, source)}
    before = _high_water()
    source = path.read_bytes()
    CONTESTANTS[contestant](source, 512)
    memory = (_high_water() - before) / 1024
    return {"memory": memory, "computing": _computing(CONTESTANTS[contestant], source)}


def _computing(contestant: Contestant, source: bytes) -> float:
    """Milliseconds, the median of eight after one that warms up."""
    taken = []
    for _ in range(9):
        before = computed()
        contestant(source, 512)
        taken.append(computed() - before)
    return statistics.median(taken[1:]) * 1000


def _high_water() -> int:
    """KiB; not getrusage, which counts what the process was before its program was loaded."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def table(results: Results) -> str:
    return "\n".join(
        (*_head(results.load), "", *_time_lines(results), "", *_target_lines(results), "", *_other_lines(results), "")
    )


def _head(load: tuple[float, float]) -> Iterator[str]:
    before, after = load
    yield "# Pictures: the bench"
    yield ""
    yield "Made by `make bench`: one run, the contestants in turns, medians in milliseconds from bytes to bytes; "
    yield "ratios are medians of the ratios within a round."
    yield f"Pillow {PIL.__version__}, libvips {'.'.join(str(pyvips.version(i)) for i in range(3))}, "
    yield f"Python {platform.python_version()}, {platform.machine()}, every contestant on the same one core. "
    yield f"Load of the machine (waiting and running processes): {before:.1f} before the run, {after:.1f} after it. "
    yield "What each contestant does: `tests/benchmarks/contestants.py`."
    yield "In `ours` the child process that decodes is started before the photo "
    yield "is downloaded, as the worker does it: its start is counted, its warming during 30 ms of download is not. "
    yield "`ours, late` starts it when the photo is there, so that nothing is hidden. "
    yield "`in process` takes the same steps in one warm process, without isolation and without checks of the result."


def _time_lines(results: Results) -> Iterator[str]:
    names = [name for name in COLOURS if name in next(iter(results.times.values()))]
    pairs = (("naive", "ours"), ("ours", "pyvips"), ("in process", "pyvips"), ("ours", "floor"))
    yield "| photo → box | " + " | ".join((*names, *map(" / ".join, pairs))) + " |"
    yield "|---|" + "--:|" * (len(names) + len(pairs))
    for (photo, box), times in results.times.items():
        cells = [f"{statistics.median(times[name]):.0f}" for name in names]
        cells += [f"{results.ratio(photo, box, first, second):.2f}" for first, second in pairs]
        yield f"| {photo} → {box} | " + " | ".join(cells) + " |"


def _target_lines(results: Results) -> Iterator[str]:
    yield "## Targets"
    yield ""
    yield "| photo → box | ratio | target | measured | |"
    yield "|---|---|--:|--:|---|"
    for target in TARGETS:
        measured = results.ratio(target.photo, target.box, target.numerator, target.denominator)
        met = measured <= target.bound if target.most else measured >= target.bound
        sign = "at most" if target.most else "at least"
        ratio = f"{target.numerator} / {target.denominator}"
        verdict = "met" if met else "**missed**"
        yield f"| {target.photo} → {target.box} | {ratio} | {sign} {target.bound} | {measured:.2f} | {verdict} |"
    share = results.figures["naive"]["memory"] / results.figures["ours"]["memory"]
    verdict = "met" if share >= 5 else "**missed**"
    yield f"| 24 MP → 512 | peak memory, naive / ours | at least 5 | {share:.1f} | {verdict} |"
    for box, quality in results.quality.items():
        verdict = "met" if quality["photo"] >= 0.994 else "**missed**"
        yield f"| photo → {box} | similarity to full decode | at least 0.994 | {quality['photo']:.4f} | {verdict} |"


def _other_lines(results: Results) -> Iterator[str]:
    yield "## Memory, computing and quality"
    yield ""
    yield "Peak memory above import, 24 MP → 512, each in a fresh process, the file included, in MiB: "
    yield ", ".join(f"{name} {figures['memory']:.0f}" for name, figures in results.figures.items()) + "."
    yield ""
    yield "Computing, 24 MP → 512, in all threads and processes, in milliseconds (ours with the start and the warming "
    yield "of the child, and with writing the photo to the file that the download writes to): "
    yield ", ".join(f"{name} {figures['computing']:.0f}" for name, figures in results.figures.items()) + "."
    yield ""
    yield f"Installing the filter of system calls in the child takes {results.filter:.1f} ms of computing."
    yield ""
    ratios = ", ".join(map(str, RATIOS))
    yield f"Similarity to the result of a full decode, before encoding (SSIM, the least of sources {ratios} "
    yield "times the box): "
    parts = (
        f"{name} → {box} {value:.4f}" for box, quality in results.quality.items() for name, value in quality.items()
    )
    yield ", ".join(parts) + "."


def chart(results: Results) -> Image.Image:
    """Bars of milliseconds, box 512."""
    photos = [
        (photo, {name: statistics.median(values) for name, values in times.items()})
        for (photo, box), times in results.times.items()
        if box == 512 and photo != "2 MP"
    ]
    names = [name for name in COLOURS if name in photos[0][1]]
    row, group = 26, 26 * len(names) + 46
    picture = Image.new("RGB", (1000, 70 + group * len(photos)), "white")
    pen = ImageDraw.Draw(picture)
    font, bold = ImageFont.load_default(16), ImageFont.load_default(20)
    pen.text(
        (20, 16),
        "Photo to 512 pixels on one core: milliseconds, less is better (naive: neither upright nor sRGB)",
        fill="black",
        font=bold,
    )
    for i, (photo, times) in enumerate(photos):
        longest = max(times.values())
        top = 60 + i * group
        pen.text((20, top), photo, fill="black", font=bold)
        for j, name in enumerate(names):
            y, length = top + 30 + j * row, 700 * times[name] / longest
            pen.text((30, y + 2), name, fill="black", font=font)
            pen.rectangle((130, y, 130 + length, y + row - 6), fill=COLOURS[name])
            pen.text((138 + length, y + 2), f"{times[name]:.0f}", fill="black", font=font)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--figures-of", help="print one contestant's memory and computing, and stop")
    options = parser.parse_args()
    if options.figures_of:
        json.dump(own_figures(options.figures_of), sys.stdout)
        return
    use_one_core()
    results = measure(options.rounds)
    DOCS.mkdir(exist_ok=True)
    (DOCS / "pictures-bench.md").write_text(table(results), encoding="utf-8")
    chart(results).quantize(64).save(DOCS / "pictures-bench.png", optimize=True)
    sys.stdout.write(table(results))


if __name__ == "__main__":
    main()
