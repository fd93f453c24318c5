"""Every settled upload is reported to an EventBridge bus (docs/events.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from image_ingest.aws.errors import aws_call, is_denial
from image_ingest.errors import Deferred
from image_ingest.outcome import Result

SOURCE, DETAIL_TYPE = "superoffice.image-ingest", "Upload Settled"
_UNREPORTED = frozenset({"deferred", "ignored"})


class EventsClient(Protocol):
    """The one operation that is used of boto3's EventBridge client."""

    def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> Any:  # noqa: N803  # boto3's names
        """Sends the entries."""


class OutcomeEvents:
    """The bus that receives outcomes."""

    def __init__(self, client: EventsClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, result: Result, tenant: str | None) -> None:
        """Reports a settled outcome. Raises Deferred `aws.unavailable`, `aws.denied`: the bus did not accept it."""
        if result.outcome in _UNREPORTED:
            return
        with aws_call("sending the outcome to the event bus"):
            response = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus,
                        "Source": SOURCE,
                        "DetailType": DETAIL_TYPE,
                        "Detail": json.dumps({**result.as_row(), "tenant": tenant}),
                    }
                ]
            )
        for entry in response.get("Entries", []):
            if code := entry.get("ErrorCode"):
                kind = "aws.denied" if is_denial(code) else "aws.unavailable"
                raise Deferred(kind, f"The event bus refused the outcome: {code}.")
