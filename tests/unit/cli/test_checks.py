"""The doctor's check of the bus that receives the outcomes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks.finding import CheckFailed, Finding, run_check
from image_ingest_cli.checks.queues import check_outcome_events


def _stack(bus: str | None, code: str | None = None) -> Stack:
    def describe_event_bus(**asked: str) -> dict[str, Any]:
        assert asked == {"Name": bus}
        if code is not None:
            raise ClientError({"Error": {"Code": code}}, "DescribeEventBus")
        return asked

    clients = {"events": SimpleNamespace(describe_event_bus=describe_event_bus)}
    return cast("Stack", SimpleNamespace(settings=SimpleNamespace(outcome_event_bus=bus), client=clients.__getitem__))


def test_a_bus_that_exists_or_is_not_used_is_accepted() -> None:
    assert check_outcome_events(_stack("outcomes")) == "to outcomes"
    assert check_outcome_events(_stack(None)) == "not used"


def test_a_missing_bus_is_named_with_what_to_do() -> None:
    with pytest.raises(CheckFailed, match="no event bus outcomes") as failure:
        check_outcome_events(_stack("outcomes", "ResourceNotFoundException"))
    assert "OutcomeEventBus" in failure.value.fix


def test_a_finding_has_what_failed_and_what_to_do() -> None:
    finding = run_check("event bus", check_outcome_events, _stack("outcomes", "ResourceNotFoundException"))
    assert finding == Finding(
        "event bus",
        ok=False,
        detail="There is no event bus outcomes, so every upload is deferred.",
        fix="Create the bus, or deploy with another OutcomeEventBus.",
    )


def test_another_failure_is_not_taken_for_a_missing_bus() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        check_outcome_events(_stack("outcomes", "AccessDeniedException"))
