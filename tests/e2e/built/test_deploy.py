"""`sam deploy` as a newcomer runs it, into the embedded AWS: no option, no question but the change set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.aws import EmbeddedAws, start_aws
from sandbox.lambda_runtime import SAM, Built, this_machine
from tests import ROOT

# The embedded AWS has no Logs Insights queries; a newcomer's samconfig.toml asks for them.
WITHOUT_QUERIES = ('"Monitoring=full"', '"Monitoring=basic"')


@pytest.fixture(scope="module", name="aws")
def own_aws() -> Iterator[EmbeddedAws]:
    """Not the one that other tests use: what is built here is for Lambda's Python, and not for the emulator's."""
    with start_aws() as running:
        yield running


def deploy(folder: Path, environment: Mapping[str, str], answer: str) -> subprocess.CompletedProcess[str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [str(SAM), "deploy"],
        cwd=folder,
        env={**mine, **environment, "SAM_CLI_TELEMETRY": "0", "AWS_CONFIG_FILE": os.devnull},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


def prepare(folder: Path, package: Built) -> None:
    """What `sam build` leaves beside samconfig.toml, with empty packages, as nobody calls the function."""
    built = folder / ".aws-sam/build"
    for part in (package.function, package.layer):
        (built / part.name).mkdir(parents=True)
        (built / part.name / "empty").touch()
    shutil.copy(package.function.parent / "template.yaml", built)
    template = built / "template.yaml"  # it names these two files relative to where it was built
    template.write_text(re.sub(r"(LicenseUrl|ReadmeUrl): \S*/", rf"\1: {ROOT}/", template.read_text()))
    config = (ROOT / "samconfig.toml").read_text()
    assert WITHOUT_QUERIES[0] in config
    text = config.replace(*WITHOUT_QUERIES).replace("Architecture=arm64", f"Architecture={package.architecture}")
    (folder / "samconfig.toml").write_text(text)
    shutil.copy(ROOT / "template.yaml", folder)


def test_the_only_question_is_the_change_set_and_the_outputs_name_the_next_commands(
    aws: EmbeddedAws, built: dict[str, Built], tmp_path: Path
) -> None:
    prepare(tmp_path, built[this_machine()])
    done = deploy(tmp_path, aws.environment(), "y\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("[y/N]") == 1
    assert "Deploy this changeset? [y/N]" in done.stdout
    printed = " ".join(done.stdout.split())
    assert "image-ingest secret put --stack superoffice-image-ingest" in printed
    assert "image-ingest upload me.jpg --entity person --id 123 --wait --stack superoffice-image-ingest" in printed


def test_without_a_region_sam_says_so_in_one_sentence(
    aws: EmbeddedAws, built: dict[str, Built], tmp_path: Path
) -> None:
    prepare(tmp_path, built[this_machine()])
    environment = {name: value for name, value in aws.environment().items() if name != "AWS_DEFAULT_REGION"}
    done = deploy(tmp_path, environment, "")
    assert done.returncode == 1
    assert "Please provide a region" in done.stderr
    (row,) = re.findall("^.*Unable to resolve a region.*$", (ROOT / "docs/deploying.md").read_text(), re.MULTILINE)
    remedies = dict(re.findall(r"export (\w+)=([\w-]+)", row))
    assert remedies
    assert "Please provide a region" not in deploy(tmp_path, environment | remedies, "n\n").stderr
