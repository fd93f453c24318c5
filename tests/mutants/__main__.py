"""`make mutants`: a random sample of mutants, and those that no test noticed, as diffs.

What an earlier run printed can be tried again (RETRY), after tests were written for it.
Exit status 0 where every survivor is listed in survivors.toml with its reason, 1 otherwise.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from tests import ROOT
from tests.mutants.coverage_map import SOURCES, CoverageMap, load_map, make_map
from tests.mutants.mutations import Mutant, find_mutants, read_key
from tests.mutants.survivors import is_accepted
from tests.mutants.trial import Copy, End, load_packages

_MAP = ROOT / "build" / "mutants"


def main() -> int:
    """Runs the sample that the command line asks for."""
    options = _parse_options()
    if options.retry:
        sample = find_again(options.retry.read_text())
    else:
        seed = options.seed if options.seed is not None else random.randrange(10_000)
        print(f"seed {seed}, {options.count} mutants", flush=True)
        sample = choose(seed, options.count, options.only)
    if options.tests:
        jobs = [Job(mutant, options.tests) for mutant in sample]
    else:
        covering = load_map(_MAP) if options.keep_map else make_map(_MAP)
        jobs = [plan_job(mutant, covering) for mutant in sample]
    load_packages()
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as folder,
        multiprocessing.get_context("fork").Pool(options.processes) as pool,
    ):
        attempt = partial(_try, Path(folder))
        if options.tests and pool.apply(attempt, [Job(None, options.tests)]) != "survived":
            print("The tests do not pass without a mutant.")
            return 1
        ends = list(zip(sample, pool.imap(attempt, jobs), strict=True))
    return _report(ends)


@dataclass(frozen=True)
class Job:
    """A mutant (None: the code as it is), the tests to run for it, and how many seconds they may take."""

    mutant: Mutant | None
    tests: Sequence[str]
    seconds: float = 60.0


def plan_job(mutant: Mutant, covering: CoverageMap) -> Job:
    """The tests that cover the mutant, and many times what they take without it."""
    tests = covering.covering(mutant.path, mutant.line)
    return Job(mutant, tests, max(60.0, 5 * sum(map(covering.measure, tests))))


def choose(seed: int, count: int, only: str = "") -> list[Mutant]:
    """The same sample of mutants for the same seed and code."""
    files = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py"))
    names = [path.relative_to(ROOT).as_posix() for path in files]
    mutants = [mutant for name in names if only in name for mutant in find_mutants(ROOT, name)]
    return random.Random(seed).sample(mutants, min(count, len(mutants)))


def find_again(report: str) -> list[Mutant]:
    """The mutants whose diffs an earlier run printed, wherever their lines are now.

    Says which are gone, as the code has changed, and which have a reason since.
    """
    printed = {read_key(diff) for diff in re.findall(r"^--- .+(?:\n.+)+", report, re.MULTILINE)}
    paths = sorted({path for path, _, _ in printed if (ROOT / path).exists()})
    found = {mutant.key(ROOT): mutant for path in paths for mutant in find_mutants(ROOT, path)}
    known = [found[key] for key in sorted(printed & found.keys())]
    unlisted = [mutant for mutant in known if not is_accepted(mutant)]
    for path, before, _ in sorted(printed - found.keys()):
        print(f"gone                 {path}: {before}", flush=True)
    print(f"{len(printed)} mutants, {len(known) - len(unlisted)} are listed with a reason", flush=True)
    return unlisted


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats an earlier sample")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--retry", type=Path, metavar="REPORT", help="instead of a sample, what this report shows")
    parser.add_argument("--only", default="", help="part of the path of the files to change")
    parser.add_argument("--keep-map", action="store_true", help="use what the last run learned about coverage")
    parser.add_argument("--tests", nargs="+", help="run these instead of the tests that cover a mutant")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


@cache
def _copy_of(process: int, folder: Path) -> Copy:
    """Each process has one copy of the project for all its mutants."""
    own = folder / str(process)
    own.mkdir()
    return Copy(own)


def _try(folder: Path, job: Job) -> End:
    if not job.tests:
        return "survived"
    copy = _copy_of(os.getpid(), folder)
    began = time.monotonic()
    end = copy.run(job.mutant, job.tests, job.seconds)
    place = f"{job.mutant.path}:{job.mutant.line}" if job.mutant else "without a mutant"
    print(f"{end:9} {time.monotonic() - began:6.1f} s  {place}", flush=True)
    return end


def _report(ends: list[tuple[Mutant, End]]) -> int:
    survivors = [mutant for mutant, end in ends if end == "survived"]
    unlisted = [mutant for mutant in survivors if not is_accepted(mutant)]
    for mutant in unlisted:
        print(f"\n{mutant.diff(ROOT)}")
    counts = Counter(end for _, end in ends)
    print(
        f"\n{counts['killed']} killed, {counts['timed out']} timed out, {len(survivors)} survived, "
        f"of which {len(survivors) - len(unlisted)} are listed with a reason"
    )
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
