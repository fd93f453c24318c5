"""Every sample in events/ with a real object behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import ROOT
from tests.support.stack import BUCKET, MotoStack, photo

SAMPLES = {path.stem: path.read_text() for path in sorted((ROOT / "events").glob("*.json"))}
SAMPLE_BUCKET = "superoffice-photos-1f2e3d4c5b6a"
OBJECTS = {  # key: the samples' version id, and for whom it is
    "employees/4711.jpg": ("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH", "person#4711"),
    "employees/4712.jpg": ("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", "person#4712"),
    "projects/logo (new).png": ("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", "project#7"),
}
OUTCOMES = {
    "eventbridge-object-created": ["stored"],
    "eventbridge-object-deleted": ["ignored"],
    "s3-batch-1.0": ["Succeeded"],
    "s3-batch-2.0": ["Succeeded"],
    "s3-object-removed": ["ignored"],
    "s3-put": ["stored"],
    "s3-test-event": ["ignored"],
    "s3-two-records": ["stored", "stored"],
    "sqs-eventbridge": [],
    "sqs-s3": [],
    "sqs-sns": [],
    "sqs-test-event": [],
}


def test_every_sample_is_tried() -> None:
    assert set(SAMPLES) == set(OUTCOMES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_sample_with_its_object_in_the_bucket_works(stack: MotoStack, name: str) -> None:
    text, targets = SAMPLES[name].replace(SAMPLE_BUCKET, BUCKET), []
    for key, (version, target) in OBJECTS.items():
        if key in text and version in text:
            version_id = stack.put(key, photo(), target)["s3"]["object"]["versionId"]
            text = text.replace(version, version_id)
            targets.append(target)
    answer = stack.invoke(json.loads(text))
    assert read_outcomes(answer) == OUTCOMES[name]
    assert bool(targets) == ("test-event" not in name)
    for target in targets:
        entity_type, entity_id = target.split("#")
        is_expected = name not in {"s3-object-removed", "eventbridge-object-deleted"}
        assert (stack.superoffice.picture(entity_type, int(entity_id)) is not None) == is_expected
    assert stack.dead_letters() == []


def read_outcomes(answer: dict[str, Any]) -> list[str]:
    """Of a results document or a batch job; the failures of an SQS batch."""
    if "batchItemFailures" in answer:
        return list(answer["batchItemFailures"])
    return [result.get("outcome", result.get("resultCode")) for result in answer["results"]]
