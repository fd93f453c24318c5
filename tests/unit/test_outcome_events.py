"""The outcome events are those of docs/events.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # has no types

from image_ingest.aws import OutcomeEvents
from image_ingest.errors import Deferred
from image_ingest.outcome import Outcome, Result
from tests import ROOT

PAGE = (ROOT / "docs/events.md").read_text()
(SCHEMA,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
EVENT = {"source": "superoffice.image-ingest", "detail-type": "Upload Settled"}
RULES = [yaml_parse(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


class Bus:
    """An EventBridge client that keeps what it is sent, or answers with a code for each entry."""

    def __init__(self, code: str | None = None) -> None:
        self.sent: list[Mapping[str, str]] = []
        self._code = code

    def put_events(self, *, Entries: list[Mapping[str, str]]) -> Any:  # noqa: N803  # boto3's names
        if self._code:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": self._code, "ErrorMessage": "no"}]}
        self.sent += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


RESULTS = [
    Result("stored", "b", "k", "v", "person", 1, 59),
    Result("duplicate", "b", "k", None, "product", 2**31 - 1, 59),
    Result("superseded", "b", "k", "v", "contact", 1, message="A newer upload for this target is stored."),
    Result("removed", "b", "k", "v", "project", 1),
    Result("kept", "b", "k", "v", "person", 1),
    Result("unchanged", "b", "k", "v", "person", 1, 59),
    Result("rejected", "b", "k", "v", None, None, None, "target.missing", "why"),
    Result("rejected", error_code="event.unrecognised", message="why"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.outcome)
def test_every_settled_outcome_is_sent_as_documented(result: Result) -> None:
    bus = Bus()
    OutcomeEvents(bus, "outcomes").send(result, "Cust12345")  # type: ignore[arg-type]  # the part that is used
    (entry,) = bus.sent
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == (
        "outcomes",
        EVENT["source"],
        EVENT["detail-type"],
    )
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, SCHEMA)
    assert detail == {**result.as_row(), "tenant": "Cust12345"}


def test_the_documented_fields_and_outcomes_are_the_functions() -> None:
    assert f"`source` is `{EVENT['source']}`, `detail-type` is `{EVENT['detail-type']}`" in PAGE
    assert set(SCHEMA["properties"]["outcome"]["enum"]) == set(get_args(Outcome)) - {"deferred", "ignored"}
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == {*Result("stored").as_row(), "tenant"}


@pytest.mark.parametrize("outcome", ["deferred", "ignored"])
def test_what_is_not_settled_is_not_sent(outcome: Outcome) -> None:
    bus = Bus()
    OutcomeEvents(bus, "outcomes").send(Result(outcome), None)  # type: ignore[arg-type]  # the part that is used
    assert bus.sent == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", "aws.unavailable"),
        ("InternalFailure", "aws.unavailable"),
        ("AccessDeniedException", "aws.denied"),
        ("NotAuthorizedForSourceException", "aws.denied"),
    ],
)
def test_an_entry_that_the_bus_refuses_is_a_deferral(code: str, expected: str) -> None:
    with pytest.raises(Deferred, match=code) as refused:
        OutcomeEvents(Bus(code), "outcomes").send(RESULTS[0], None)  # type: ignore[arg-type]  # the part that is used
    assert refused.value.code == expected


def test_the_rules_to_copy_select_the_events() -> None:
    patterns = [rule["Properties"]["EventPattern"] for block in RULES for rule in block.values()]
    assert len(patterns) == 3
    for pattern in patterns:
        assert pattern["source"] == [EVENT["source"]]
        assert pattern.get("detail-type", [EVENT["detail-type"]]) == [EVENT["detail-type"]]
        assert set(pattern.get("detail", {}).get("outcome", [])) <= set(SCHEMA["properties"]["outcome"]["enum"])
