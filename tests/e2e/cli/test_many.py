"""Hundreds of photos or more in one command that is killed and started again.

MANY_FILES says how many (default 400); ten thousand take two minutes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox.aws import DeployedStack, start_aws
from tests import ROOT
from tests.support.cli_sandbox import wait_for
from tests.support.stack import photo

FEW = 50
MANY = int(os.environ.get("MANY_FILES", "400"))
MIB_A_THOUSAND = 3  # of rows, targets and outcomes; the photos themselves would be far more
MEASURED = """
import atexit, re, sys
from image_ingest_cli.main import main
# The kernel's own peak since exec; getrusage would include the test that forked it.
peak = lambda: re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
atexit.register(lambda: print(peak(), file=sys.stderr))
main()
"""


def test_many_photos_survive_a_kill_and_need_little_memory(tmp_path: Path) -> None:
    data = photo("teal", (16, 16)) + bytes(100_000)  # trailing bytes make it weigh as a photo does
    for number in range(1, MANY + 1):
        (tmp_path / f"{number}.jpg").write_bytes(data + str(number).encode())
    with start_aws() as aws:
        stack = aws.deploy()
        _hold_the_function(stack)
        few, small = _run(stack, _manifest(tmp_path, FEW))
        assert few == {"uploaded": FEW}
        manifest = _manifest(tmp_path, MANY)
        killed = _start(stack, manifest)
        wait_for(lambda: _stored(stack) > FEW + (MANY - FEW) // 4)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        there = _stored(stack)
        assert FEW < there < MANY
        many, large = _run(stack, manifest)
        assert many["present"] >= there
        assert sum(many.values()) == MANY
        assert _stored(stack) == MANY
        assert large - small < 4 + MIB_A_THOUSAND * MANY / 1000, f"{small:.0f} MiB for few, {large:.0f} for many"
        again, _ = _run(stack, manifest)
        assert again == {"present": MANY}


def _hold_the_function(stack: DeployedStack) -> None:
    """Leaves the uploads in the queue, because only the uploading is measured."""
    functions = stack.aws.client("lambda")
    (trigger,) = functions.list_event_source_mappings(FunctionName=stack.outputs["ImageIngestFunctionName"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=False)


def _manifest(folder: Path, count: int) -> Path:
    path = folder / f"people-{count}.csv"
    lines = [f"{number}.jpg,person,{number}" for number in range(1, count + 1)]
    path.write_text("\n".join(["file,entity_type,entity_id", *lines, ""]))
    return path


def _start(stack: DeployedStack, manifest: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MEASURED, "upload", str(manifest.parent), "--manifest", str(manifest), "--json"]
    environment = {**os.environ, **stack.aws.environment(), "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def _run(stack: DeployedStack, manifest: Path) -> tuple[dict[str, int], float]:
    """The number of files by action, and the peak memory in MiB."""
    process = _start(stack, manifest)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)["actions"], int(err.split()[-1]) / 1024


def _stored(stack: DeployedStack) -> int:
    pages = stack.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack.outputs["UploadBucketName"])
    return sum(len(page.get("Contents", ())) for page in pages)
