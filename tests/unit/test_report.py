"""What operators see: one line and the metrics, and no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from image_ingest.outcome import Measures, Result
from image_ingest.report import Report
from image_ingest.superoffice import Calls


def report(name: str) -> Report:
    return Report(Logger(service=name, level="INFO"))  # a name of its own has a stream of its own


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def values(blob: dict[str, Any]) -> dict[str, Any]:
    """Metric name → (value, unit) of one embedded-metrics line."""
    (directive,) = blob["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "SuperOfficeImageIngest"
    return {metric["Name"]: (blob[metric["Name"]][0], metric["Unit"]) for metric in directive["Metrics"]}


def test_a_kernel_that_refuses_the_filter_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    reporting = report("unconfined")
    for confined in (True, None, False, False):
        reporting.upload(STORED, Measures(confined=confined), Calls())
    warnings = [line["message"] for line in printed(capsys) if line.get("level") == "WARNING"]
    assert len(warnings) == 1
    assert "docs/threats.md" in warnings[0]


STORED = Result("stored", "b", "k", "v", "person", 7, 59)
REFUSED = Result("rejected", "b", "k", "v", "person", 7, None, "superoffice.bad-request", "SuperOffice: Kari Nordmann")


def test_metrics_have_no_dimension(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "somebody-set-it")
    measures = Measures(source_bytes=1000, uploaded_bytes=200, picture_milliseconds=30, milliseconds=90)
    report("stored").upload(STORED, measures, Calls(count=2, milliseconds=50, host="crm", status=200))
    (blob,) = [line for line in printed(capsys) if "_aws" in line]
    assert blob["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert values(blob) == {
        "Stored": (1, "Count"),
        "SuperOfficeCalls": (2, "Count"),
        "SuperOfficeMilliseconds": (50, "Milliseconds"),
        "SourceBytes": (1000, "Bytes"),
        "UploadedBytes": (200, "Bytes"),
        "PictureMilliseconds": (30, "Milliseconds"),
    }


def test_failures_are_counted_once_in_all_and_once_by_their_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report("refused").upload(REFUSED, Measures(), Calls())
    blobs = [line for line in printed(capsys) if "_aws" in line]
    (failure,) = [blob for blob in blobs if "Rejected" in blob]
    assert failure["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[], ["ErrorCode"]]
    assert failure["ErrorCode"] == "superoffice.bad-request"
    assert values(failure) == {"Rejected": (1, "Count")}


def test_one_line_closes_an_upload_without_superoffices_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = report("correlated")
    reporter.correlate("message-1")
    reporter.upload(REFUSED, Measures(milliseconds=12.3), Calls(1, 9.9, "crm.example.com", 400))
    (line,) = [line for line in printed(capsys) if "_aws" not in line]
    known = {name: line[name] for name in ("bucket", "key", "version_id", "target", "outcome", "code", "host")}
    assert known == {
        "bucket": "b",
        "key": "k",
        "version_id": "v",
        "target": "person#7",
        "outcome": "rejected",
        "code": "superoffice.bad-request",
        "host": "crm.example.com",
    }
    assert (line["http_status"], line["milliseconds"], line["correlation_id"]) == (400, 12, "message-1")
    assert (line["message"], line["level"]) == ("upload", "WARNING")
    assert "Nordmann" not in json.dumps(line)
