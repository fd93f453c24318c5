"""What operators see of every upload: one closing log line, and CloudWatch embedded metrics."""

from __future__ import annotations

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from image_ingest.outcome import Measures, Result
from image_ingest.superoffice import Calls

NAMESPACE = "SuperOfficeImageIngest"
_FAILURES = frozenset({"rejected", "deferred"})
_UNCONFINED = (
    "The kernel refuses the filter of system calls for the processes that decode pictures. Pictures are decoded without"
    " it: docs/threats.md says what it prevents."
)


class Report:
    """Logs and counts; holds no person's data but the object's key, which the operator chose."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._warned_of: set[str] = set()

    def correlate(self, identity: str) -> None:
        """The SQS message id or request id that the following log lines carry."""
        self._logger.append_keys(correlation_id=identity)

    def upload(self, result: Result, measures: Measures, calls: Calls) -> None:
        """The closing line and the metrics of one upload."""
        if measures.confined is False:
            self._warn_once(_UNCONFINED)
        self._log(result, measures, calls)
        _count(result, measures, calls)

    def warn(self, message: str) -> None:
        """Something that an operator should know and that stops nothing."""
        self._logger.warning(message)

    def decoder(self, *, confined: bool | None) -> None:
        """The line that answers a probe: whether decoding processes are confined, None if none starts."""
        self._logger.info("decoder", extra={"confined": confined})

    def _warn_once(self, message: str) -> None:
        if message not in self._warned_of:
            self._warned_of.add(message)
            self.warn(message)

    def _log(self, result: Result, measures: Measures, calls: Calls) -> None:
        target = f"{result.entity_type}#{result.entity_id}" if result.entity_type else None
        line = {
            "bucket": result.bucket,
            "key": result.key,
            "version_id": result.version_id,
            "target": target,
            "outcome": result.outcome,
            "code": result.error_code,
            "blob_id": result.blob_id,
            "source_format": measures.source_format,
            "where": measures.where,
            "host": calls.host,
            "http_status": calls.status,
            "milliseconds": round(measures.milliseconds),
        }
        log = self._logger.warning if result.outcome in _FAILURES else self._logger.info
        log("upload", extra={name: value for name, value in line.items() if value is not None})


def _count(result: Result, measures: Measures, calls: Calls) -> None:
    if result.outcome in _FAILURES:
        failures = _metrics()
        failures.add_dimensions(ErrorCode=result.error_code or "")
        failures.add_metric(result.outcome.capitalize(), "Count", 1)
        failures.flush_metrics()
    metrics = _metrics()
    if result.outcome not in _FAILURES:
        metrics.add_metric(result.outcome.capitalize(), "Count", 1)
    metrics.add_metric("SuperOfficeCalls", "Count", calls.count)
    if calls.count:
        metrics.add_metric("SuperOfficeMilliseconds", "Milliseconds", calls.milliseconds)
    for name, unit, value in (
        ("SourceBytes", "Bytes", measures.source_bytes),
        ("UploadedBytes", "Bytes", measures.uploaded_bytes),
        ("PictureMilliseconds", "Milliseconds", measures.picture_milliseconds),
    ):
        if value is not None:
            metrics.add_metric(name, unit, value)
    metrics.flush_metrics()


def _metrics() -> AmazonCloudWatchEMFProvider:
    metrics = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
    metrics.service = ""  # a POWERTOOLS_SERVICE_NAME would become a dimension that no alarm of ours looks at
    return metrics
