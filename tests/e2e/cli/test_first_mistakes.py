"""What newcomers do wrong (docs/deploying.md, "First mistakes"), tried in the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

from sandbox.aws import EmbeddedAws
from sandbox.short_waits import deploy_with_short_waits
from sandbox.superoffice import StandIn
from tests import ROOT
from tests.support.cli_sandbox import CliSandbox
from tests.support.sandbox_stacks import QUICK
from tests.support.stack import photo


def open_stack(aws: EmbeddedAws, superoffice: StandIn, name: str) -> CliSandbox:
    """A stack as newcomers have it: its secret is empty."""
    return CliSandbox(aws.deploy(QUICK, stack_name=name), superoffice)


def explain(sandbox: CliSandbox, entity_id: int) -> str:
    return sandbox.run("explain", "person", entity_id, "--stack", sandbox.stack.name, width="1000").out


def test_a_photo_from_before_the_secret_waits_for_it_and_is_then_stored(aws: EmbeddedAws, superoffice: StandIn) -> None:
    sandbox = CliSandbox(deploy_with_short_waits(aws, "too-early", QUICK, back_off=5), superoffice)
    sandbox.put("early.jpg", photo(), "person#1")
    sandbox.until("person#1", "deferred")
    told = explain(sandbox, 1)
    assert "The upload waits for the SuperOffice credential: image-ingest secret put" in told
    assert "is empty" in told
    sandbox.stack.put_secret(superoffice.secret("basic"))
    sandbox.until("person#1", "stored")


def test_placeholders_in_the_secret_are_named(aws: EmbeddedAws, superoffice: StandIn) -> None:
    sandbox = open_stack(aws, superoffice, "placeholders")
    sandbox.stack.put_secret(json.loads(sandbox.run("secret", "template", "system_user").out))
    sandbox.put("a.jpg", photo(), "person#2")
    sandbox.until("person#2", "deferred")
    for field in ("client_secret", "system_user_token", "private_key"):
        assert f"{field} still has its placeholder" in explain(sandbox, 2)


def test_metadata_may_have_capitals_and_a_wrong_name_is_named(aws: EmbeddedAws, superoffice: StandIn) -> None:
    sandbox = open_stack(aws, superoffice, "metadata")
    sandbox.stack.put_secret(superoffice.secret("basic"))
    s3 = sandbox.client("s3")
    good, wrong = {"Entity-Type": "Person", "Entity-Id": "3"}, {"entity_type": "person", "entity_id": "4"}
    s3.put_object(Bucket=sandbox.bucket, Key="good.jpg", Body=photo(), Metadata=good)
    s3.put_object(Bucket=sandbox.bucket, Key="wrong.jpg", Body=photo(), Metadata=wrong)
    sandbox.until("person#3", "stored")
    sandbox.until_dead_letters(1)
    listed = sandbox.run("failures", "list", "--no-predict", "--stack", "metadata", width="1000").out
    assert "target.missing" in listed
    assert "entity-type and entity-id" in listed


def test_a_second_stack_in_the_same_region_works_beside_the_first(aws: EmbeddedAws, superoffice: StandIn) -> None:
    for number, name in enumerate(("first", "second"), 5):
        sandbox = open_stack(aws, superoffice, name)
        sandbox.stack.put_secret(superoffice.secret("basic"))
        sandbox.put("a.jpg", photo(), f"person#{number}")
        sandbox.until(f"person#{number}", "stored")


def test_deploying_again_after_a_removal_starts_empty_and_works(aws: EmbeddedAws, superoffice: StandIn) -> None:
    first = open_stack(aws, superoffice, "again")
    cloudformation = aws.client("cloudformation")
    cloudformation.delete_stack(StackName="again")
    while any(s["StackName"] == "again" for s in cloudformation.describe_stacks()["Stacks"]):
        time.sleep(0.1)
    second = open_stack(aws, superoffice, "again")
    assert second.bucket != first.bucket
    second.stack.put_secret(superoffice.secret("basic"))
    second.put("a.jpg", photo(), "person#7")
    second.until("person#7", "stored")


def run_without_region(
    aws: EmbeddedAws, command: list[str], remedy: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    mine: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    theirs = {name: value for name, value in aws.environment().items() if name != "AWS_DEFAULT_REGION"}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "PYTHONPATH": f"{ROOT}/functions:{ROOT}"}
    return subprocess.run(
        command, cwd=ROOT, env={**mine, **theirs, **nowhere, **remedy}, capture_output=True, text=True, check=False
    )


def test_without_a_region_the_command_line_says_so_in_one_sentence(aws: EmbeddedAws) -> None:
    command = [sys.executable, "-m", "image_ingest_cli", "status"]
    done = run_without_region(aws, command)
    assert done.returncode == 1
    assert done.stderr.startswith("This shell has no AWS region.")
    assert len(done.stderr.splitlines()) == 1
    remedies = dict(re.findall(r"export (\w+)=([\w-]+)", done.stderr))
    assert remedies
    for remedy in (remedies, {"AWS_REGION": "eu-north-1"}):
        assert "no AWS region" not in run_without_region(aws, command, remedy).stderr
