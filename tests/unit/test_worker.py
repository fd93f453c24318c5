"""The composition root: what is missing is named at once."""

from __future__ import annotations

import os
import runpy

import pytest

from image_ingest.settings import InvalidSettings
from image_ingest.worker import build_worker
from tests import ROOT

AWS = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
VALID = {"SUPEROFFICE_SECRET_ID": "s", "LEDGER_TABLE_NAME": "t", "DEAD_LETTER_QUEUE_URL": "https://sqs/q"}


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No region and no credentials, wherever boto3 looks for them."""
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_everything_that_is_missing_is_named_in_one_message(nothing_set: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings) as invalid:
        build_worker({"IMAGE_FIT": "stretch"})
    for name in (*VALID, "IMAGE_FIT", "AWS_REGION", "AWS credentials"):
        assert name in str(invalid.value)


def test_a_missing_region_alone_is_named(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("AWS_ACCESS_KEY_ID", "a")
    nothing_set.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(InvalidSettings, match=r"^Invalid settings: AWS_REGION is required\.$"):
        build_worker(VALID)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_is_taken_from_either_name(nothing_set: pytest.MonkeyPatch, name: str) -> None:
    for variable, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), (name, "eu-north-1")):
        nothing_set.setenv(variable, value)
    build_worker(VALID | os.environ)


def test_missing_credentials_alone_are_named(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    with pytest.raises(InvalidSettings, match=r"^Invalid settings: AWS credentials are required\.$"):
        build_worker(VALID)


@pytest.mark.parametrize(("variables", "workers"), [({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}, 1), ({}, 0)])
def test_in_lambdas_init_phase_and_nowhere_else_the_worker_is_built_before_it_is_needed(
    nothing_set: pytest.MonkeyPatch, variables: dict[str, str], workers: int
) -> None:
    credentials = {"AWS_DEFAULT_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in {**VALID, **credentials, **variables}.items():
        nothing_set.setenv(name, value)
    assert runpy.run_path(str(ROOT / "functions/image_ingest/app.py"))["get_worker"].cache_info().currsize == workers
