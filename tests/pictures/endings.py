"""How every file of the corpus ends in a function with so much memory, and what that takes.

`python -m tests.pictures.endings MEBIBYTES FILE` pickles a `Run` into the file. The process is one of its own, so that
its children are only those that decode.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from image_ingest.errors import IngestError
from image_ingest.picture import Picture, stop
from image_ingest.settings import PictureSettings
from tests import ROOT
from tests.pictures.checks import prepared
from tests.pictures.corpus import CORPUS
from tests.pictures.memory import computed


@dataclass(frozen=True)
class Ending:
    """The picture, or why there is none. `unsound` is what is wrong with the picture."""

    seconds: float
    picture: Picture | None = None
    code: str = ""
    message: str = ""
    unsound: str = ""


@dataclass(frozen=True)
class Run:
    """The endings by the sample's name, and the greatest memory of a child, in KiB on Linux."""

    endings: dict[str, Ending]
    memory: int


def run_corpus(mebibytes: int, file: Path) -> Run:
    """The whole corpus; `file` is written."""
    path = os.pathsep.join((str(ROOT / "functions"), str(ROOT)))
    command = [sys.executable, "-m", __name__, str(mebibytes), str(file)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, check=True, timeout=900)
    run: Run = pickle.loads(file.read_bytes())  # our own
    return run


def _end(source: bytes, settings: PictureSettings) -> Ending:
    before = computed()
    try:
        picture = prepared(source, settings)
    except IngestError as failure:
        return Ending(computed() - before, code=failure.code, message=failure.message)
    except AssertionError as problem:
        return Ending(computed() - before, unsound=repr(problem))
    return Ending(computed() - before, picture)


def main() -> None:
    settings = PictureSettings(function_memory=int(sys.argv[1]) << 20)
    endings = {sample.name: _end(sample.make(), settings) for sample in CORPUS}
    stop()
    run = Run(endings, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    Path(sys.argv[2]).write_bytes(pickle.dumps(run))


if __name__ == "__main__":
    from tests.pictures.endings import main as run_main  # so that what is pickled has its module's name

    run_main()
