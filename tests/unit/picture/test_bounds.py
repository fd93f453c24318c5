"""No file of the corpus takes more memory than the function has, or more than five seconds of computing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "functions"), str(ROOT)))}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from Linux")
@pytest.mark.parametrize("mebibytes", [320, 1024])  # with little memory the slowest files are refused at once
def test_the_whole_corpus_stays_within_the_functions_memory_and_five_seconds(mebibytes: int) -> None:
    seconds = 5.0
    script = """if True:
        import json, resource, sys
        from image_ingest.errors import Rejected
        from image_ingest.picture import stop
        from image_ingest.settings import PictureSettings
        from tests.pictures.corpus import CORPUS
        from tests.pictures.checks import prepared
        from tests.pictures.memory import computed

        settings = PictureSettings(function_memory=int(sys.argv[1]) << 20)
        taken = {}
        for sample in CORPUS:
            source, before = sample.make(), computed()
            try:
                prepared(source, settings)
            except Rejected:
                pass
            taken[sample.name] = computed() - before
        stop()
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        json.dump({"memory": memory, "seconds": taken}, sys.stdout)
    """
    command = [sys.executable, "-c", script, str(mebibytes)]
    result = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, check=True, capture_output=True, timeout=900)
    measured = json.loads(result.stdout)
    assert measured["memory"] < mebibytes * 1024
    assert max(measured["seconds"].values()) < seconds, measured["seconds"]
