"""Measures packages and cold starts of what `sam build` makes: `make bench`. Fails when a budget is overrun.

Every figure is the best of several new processes that take turns, so that a busy machine's noise hits all alike.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.lambda_runtime import LAMBDA_PYTHON, Built, Emulator, build_all, need, this_machine
from tests import ROOT
from tests.benchmarks.lambda_report import machine, table, write
from tests.lambda_runtime.build_artifacts import files

ROUNDS = 15
BEYOND_BOTO3, OF_TUTORIAL = 2.2, 0.5  # the budgets
SETTINGS = {
    "AWS_REGION": "eu-north-1",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "SUPEROFFICE_SECRET_ID": "superoffice",
    "LEDGER_TABLE_NAME": "ledger",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-north-1.amazonaws.com/123456789012/dead-letters",
}
ONE_CLIENT = {"import boto3": "import boto3", "one client": "boto3.client('s3')"}
OURS = {
    "boto3": "import boto3",
    "Powertools: Logger, metrics, batch": (
        "import aws_lambda_powertools.utilities.batch, aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch"
    ),
    "requests": "import requests",
    "the function's own code": "import image_ingest.app",
    "wiring: four clients, settings, logger": "image_ingest.app.get_worker()",
    "the fork server with Pillow, and a first picture": (
        "from image_ingest.deadline import Deadline\n"
        "from image_ingest.picture import probe_decoder\n"
        "assert probe_decoder(Deadline(30)) is not None"
    ),
}
TUTORIAL = {
    "a tutorial's handler": (
        "import boto3, requests\n"
        "from PIL import Image\n"
        "from aws_lambda_powertools import Logger, Metrics, Tracer\n"
        "logger, metrics, tracer = Logger(service='x'), Metrics(namespace='x', service='x'), Tracer(service='x')\n"
        "s3, table = boto3.resource('s3'), boto3.resource('dynamodb').Table('ledger')\n"
        "sqs, secrets = boto3.client('sqs'), boto3.client('secretsmanager')"
    )
}
TUTORIAL_PACKAGES = ("boto3", "aws-lambda-powertools", "requests", "pillow")
Stages = Mapping[str, str]


def staged(folders: Sequence[Path], stages: Stages) -> list[float]:
    """Milliseconds of each stage, in a new process that writes no bytecode."""
    lines = ["import time, json", "marks = [time.perf_counter()]"]
    for code in stages.values():
        lines += [code, "marks.append(time.perf_counter())"]
    lines += ["print(json.dumps([1000 * (b - a) for a, b in zip(marks, marks[1:])]))"]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, folders)), "HOME": "/nonexistent", **SETTINGS}
    command = [str(LAMBDA_PYTHON), "-B", "-c", "\n".join(lines)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def best(contestants: Mapping[str, tuple[Sequence[Path], Stages]]) -> dict[str, list[float]]:
    """Each contestant's stages in its fastest round."""
    rounds = [{name: staged(*contestant) for name, contestant in contestants.items()} for _ in range(ROUNDS)]
    return {name: min((one[name] for one in rounds), key=sum) for name in contestants}


def without_bytecode(built: Built, folder: Path) -> Built:
    """A copy as other builds make it."""
    for part in ("function", "layer"):
        shutil.copytree(getattr(built, part), folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return Built(built.architecture, folder / "function", folder / "layer")


def tutorial(folder: Path) -> Path:
    """The packages of a tutorial, in our versions, as they come."""
    pins = [line for line in requirements() if line.partition("==")[0] in TUTORIAL_PACKAGES]
    command = [str(LAMBDA_PYTHON), "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(folder)]
    subprocess.run([*command, *pins, "aws-xray-sdk==2.15.0"], check=True)
    return folder


def requirements() -> list[str]:
    parts = ("functions", "layers/pillow")
    return [line for part in parts for line in (ROOT / part / "requirements.txt").read_text().splitlines()]


def init_milliseconds(built: Built) -> float:
    """What Lambda's runtime reports for its init phase, at best."""
    return min(_init_milliseconds(built) for _ in range(ROUNDS // 3))


def _init_milliseconds(built: Built) -> float:
    with Emulator(built, SETTINGS) as emulator:
        emulator.answer({"Records": []})
        (report,) = [line for line in emulator.news() if "INIT REPORT" in line]
    return float(report.partition("durationMs: ")[2].rstrip(")"))


def sizes(built: Mapping[str, Built]) -> str:
    """How large the packages are."""
    rows = []
    for part in ("function", "layer"):
        for architecture, one in sorted(built.items()):
            folder = getattr(one, part)
            with tempfile.TemporaryDirectory() as place:
                zipped = Path(shutil.make_archive(f"{place}/package", "zip", folder)).stat().st_size
            unzipped = sum(path.stat().st_size for path in files(folder))
            rows.append([f"{part}, {architecture}", f"{zipped / 2**20:.1f}", f"{unzipped / 2**20:.1f}"])
    return table(["package", "zipped, MiB", "unzipped, MiB"], rows)


def main() -> int:
    """The exit status: 1 when a budget is overrun."""
    need(LAMBDA_PYTHON)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = build_all()
        write("sizes", sizes(built))
        one = built[this_machine()]
        bare = without_bytecode(one, folder / "bare")
        ours, theirs = [one.function, one.layer / "python"], [tutorial(folder / "tutorial")]
        stripped = [bare.function, bare.layer / "python"]
        results = best(
            {
                "one client": (ours, ONE_CLIENT),
                "ours": (ours, OURS),
                "bare": (stripped, OURS),
                "tutorial": (theirs, TUTORIAL),
            }
        )
        inits = init_milliseconds(one), init_milliseconds(bare)
    write("cold-start", cold_start(results, inits))
    return verdict(results)


def cold_start(results: Mapping[str, Sequence[float]], inits: tuple[float, float]) -> str:
    """The tables, in Markdown."""
    wired = _wired(results["ours"])
    stages = [
        [name, f"{ours:.0f}", f"{bare:.0f}"]
        for name, ours, bare in zip(OURS, results["ours"], results["bare"], strict=True)
    ]
    totals = [["**sum**", f"**{sum(results['ours']):.0f}**", f"**{sum(results['bare']):.0f}**"]]
    init = [["Lambda's own `INIT REPORT`", f"{inits[0]:.0f}", f"{inits[1]:.0f}"]]
    against = [
        ["this function: imports and wiring, without Pillow", f"{wired:.0f}", ""],
        ["`import boto3` and one client", f"{sum(results['one client']):.0f}", _ratio(wired, results["one client"])],
        [
            "a tutorial's handler, as `sam build` packs it",
            f"{sum(results['tutorial']):.0f}",
            _ratio(wired, results["tutorial"]),
        ],
    ]
    parts = [
        f"{machine()}; milliseconds, the best of {ROUNDS} new processes in turns.",
        table(["where the milliseconds go", "as built", "without bytecode"], [*stages, *totals, *init]),
        table(["against others", "ms", "this function is"], against),
    ]
    return "\n\n".join(parts)


def _wired(stages: Sequence[float]) -> float:
    return sum(stages[:-1])


def _ratio(milliseconds: float, other: Sequence[float]) -> str:
    return f"{milliseconds / sum(other):.2f} x"


def verdict(results: Mapping[str, Sequence[float]]) -> int:
    wired = _wired(results["ours"])
    beyond, of_tutorial = wired / sum(results["one client"]), wired / sum(results["tutorial"])
    sys.stdout.write(
        f"imports and wiring: {wired:.0f} ms, {beyond:.2f} x boto3 with one client (budget {BEYOND_BOTO3}), "
        f"{of_tutorial:.2f} x a tutorial's handler (budget {OF_TUTORIAL})\n"
    )
    return int(beyond > BEYOND_BOTO3 or of_tutorial > OF_TUTORIAL)


if __name__ == "__main__":
    sys.exit(main())
