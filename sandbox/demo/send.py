"""Sends an album through a deployed stack, follows every upload to its outcome, and checks what each one left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from image_ingest.events import format_notification
from image_ingest.upload import Upload
from sandbox.aws import DeployedStack, Monitor
from sandbox.demo.album import Sample
from sandbox.superoffice import StandIn, StoredPicture

PATIENCE = 45.0  # seconds without a new outcome after which the remaining uploads count as lost


@dataclass(frozen=True)
class SampleResult:
    """How one upload ended according to the function's log; `lost` if the log does not mention it."""

    sample: Sample
    outcome: str
    code: str | None = None
    blob_id: int | None = None

    @property
    def result(self) -> str:
        """The error code if there is one, else the outcome: this is compared with the sample's `expected`."""
        return self.code or self.outcome


def send_samples(
    stack: DeployedStack,
    samples: Sequence[Sample],
    on_settled: Callable[[SampleResult], None],
    patience: float = PATIENCE,
) -> list[SampleResult]:
    """Uploads the samples, each after the one that it follows has settled, until all have settled or time runs out."""
    sender = _Sender(stack)
    settled: list[SampleResult] = []
    end = time.monotonic() + patience
    while len(settled) < len(samples) and time.monotonic() < end:
        sender.send([s for s in samples if s.after in {None, *(result.sample.name for result in settled)}])
        for result in sender.read_results():
            settled.append(result)
            on_settled(result)
            end = time.monotonic() + patience
        time.sleep(0.1)
    seen = {result.sample for result in settled}
    for sample in samples:
        if sample not in seen:
            settled.append(SampleResult(sample, "lost"))
            on_settled(settled[-1])
    return settled


def find_mismatches(stack: DeployedStack, superoffice: StandIn, settled: Sequence[SampleResult]) -> dict[Sample, str]:
    """What is wrong, by sample: an unexpected outcome, or a dead letter, picture or ledger item that is missing."""
    monitor = Monitor(stack)
    codes = monitor.read_dead_letter_codes()
    found = {}
    for result in settled:
        if result.result != result.sample.expected:
            found[result.sample] = f"expected {result.sample.expected}"
        elif result.outcome == "rejected" and codes.get(result.sample.name) != result.code:
            found[result.sample] = "its dead letter is missing"
        elif result.outcome == "stored" and find_stored_picture(superoffice, result) is None:
            found[result.sample] = "SuperOffice does not have it"
        elif result.outcome == "stored" and not _is_in_ledger(monitor, superoffice, result):
            found[result.sample] = "the ledger and SuperOffice differ"
    return found


def find_stored_picture(superoffice: StandIn, result: SampleResult) -> StoredPicture | None:
    """The picture that SuperOffice received for this upload."""
    if result.outcome != "stored" or result.sample.target is None:
        return None
    pictures = superoffice.pictures(result.sample.target.entity_type, result.sample.target.entity_id)
    return next((picture for picture in pictures if picture.blob_id == result.blob_id), None)


def _is_in_ledger(monitor: Monitor, superoffice: StandIn, result: SampleResult) -> bool:
    assert result.sample.target is not None
    item = monitor.read_item(result.sample.target)
    shown = superoffice.picture(result.sample.target.entity_type, result.sample.target.entity_id)
    return shown is not None and (item.get("status"), item.get("blob_id")) == ("stored", shown.blob_id)


class _Sender:
    """Sends samples and remembers those that have not settled yet."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack = stack
        self._monitor = Monitor(stack)
        self._sent: set[Sample] = set()
        self._open: dict[str, Sample] = {}  # by the object's version, or by the message of a repeated notification
        self._versions: dict[str, str] = {}

    def send(self, samples: Sequence[Sample]) -> None:
        """Sends those that were not sent yet."""
        for sample in samples:
            if sample not in self._sent:
                self._sent.add(sample)
                self._open[self._repeat(sample.repeats) if sample.repeats else self._upload(sample)] = sample

    def read_results(self) -> Iterator[SampleResult]:
        """Those that settled since the last call."""
        for line in self._monitor.read_new_lines():
            sample = self._open.pop(line.message_id if line.message_id in self._open else line.version or "", None)
            if sample is not None:
                yield SampleResult(sample, line.outcome, line.code, line.blob_id)

    def _upload(self, sample: Sample) -> str:
        answer = self._stack.aws.client("s3").put_object(
            Bucket=self._stack.outputs["UploadBucketName"],
            Key=sample.name,
            Body=sample.data,
            Metadata=sample.metadata,
        )
        self._versions[sample.name] = str(answer["VersionId"])
        return self._versions[sample.name]

    def _repeat(self, name: str) -> str:
        upload = Upload(self._stack.outputs["UploadBucketName"], name, self._versions[name])
        answer = self._stack.aws.client("sqs").send_message(
            QueueUrl=self._stack.outputs["IngestQueueUrl"], MessageBody=format_notification(upload)
        )
        return str(answer["MessageId"])
