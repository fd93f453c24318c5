"""The shared rate limit as uploads meet it: a Retry-After holds back everyone, and every way to invoke counts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from image_ingest.errors import IngestDeferred
from tests.support.stack import BUCKET, TABLE, MotoStack, photo


def _notify(stack: MotoStack, number: int) -> None:
    stack.notify(stack.put(f"{number}.jpg", photo(), f"person#{number}"))


def _find_item(stack: MotoStack, target: str) -> dict[str, Any]:
    return stack.dynamodb.get_item(TableName=TABLE, Key={"target": {"S": target}}).get("Item", {})


@pytest.mark.parametrize(("status", "code"), [(429, "superoffice.rate-limited"), (503, "superoffice.unavailable")])
def test_retry_after_holds_back_the_worker_and_every_other(stack: MotoStack, status: int, code: str) -> None:
    """Eight uploads make one call, whichever worker handles them."""
    stack.superoffice.fail(times=1, status=status, headers={"Retry-After": "60"})
    for number in range(1, 9):
        _notify(stack, number)
    deferred = []
    while failed := stack.trigger():
        deferred += failed
        stack.cold()
    assert len(deferred) == 8
    assert len(stack.superoffice.calls) == 1
    items = [_find_item(stack, f"person#{number}") for number in range(1, 9)]
    assert {item["error_code"]["S"] for item in items} == {code}
    assert sum("no call was made" in item["error_message"]["S"] for item in items) == 7


def test_retry_after_from_the_login_service_holds_back_too(stack: MotoStack) -> None:
    stack.put_secret(stack.superoffice.secret("system_user"))
    stack.superoffice.fail(times=1, status=429, headers={"Retry-After": "60"}, path="/Authenticate")
    for number in (1, 2, 3):
        _notify(stack, number)
    while stack.trigger():
        stack.cold()
    assert not stack.superoffice.find_calls("PUT")
    assert len(stack.superoffice.find_calls("POST", "/Authenticate")) == 1


def test_direct_and_batch_invocations_take_their_slots_from_the_same_item(stack: MotoStack) -> None:
    stack.settings["SUPEROFFICE_CALLS_PER_SECOND"] = "4"
    records = [stack.put(f"{number}.jpg", photo(), f"person#{number}") for number in range(1, 8)]
    stack.invoke({"Records": records[:3]})
    task = {"taskId": "1", "s3Key": "4.jpg", "s3BucketArn": f"arn:aws:s3:::{BUCKET}", "s3VersionId": None}
    stack.cold()
    stack.invoke({"invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "j"}, "tasks": [task]})
    stack.notify(*records[4:])
    stack.cold()
    stack.trigger()
    arrivals = [call.at for call in stack.superoffice.find_calls("PUT")]
    assert len(arrivals) == 7
    assert stack.superoffice.most_calls_in_any_second <= 5
    slots = _find_item(stack, f"#rate#{stack.superoffice.secret('basic')['base_url']}")
    assert abs(float(slots["next_slot"]["N"]) - time.time()) < 60


def test_a_direct_invocation_says_why_it_made_no_call(stack: MotoStack) -> None:
    stack.superoffice.fail(times=1, status=429, headers={"Retry-After": "60"})
    record = stack.put("1.jpg", photo())
    for _ in range(2):
        with pytest.raises(IngestDeferred, match=r"superoffice\.rate-limited"):
            stack.invoke({"Records": [record]})
    assert len(stack.superoffice.calls) == 1
