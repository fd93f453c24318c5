"""The composition root: everything that lives as long as the execution environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from image_ingest.aws import DeadLetters, IngestQueue, Objects
from image_ingest.ingest import Ingest
from image_ingest.ledger import CRASH_LIMIT, Ledger, Table
from image_ingest.report import Report
from image_ingest.settings import Settings
from image_ingest.superoffice import SecretSource, SuperOffice
from image_ingest.timing import Timing


@dataclass(frozen=True)
class Worker:
    """What handles uploads in one execution environment."""

    settings: Settings
    ingest: Ingest
    queue: IngestQueue
    report: Report
    timing: Timing = Timing()


def build_worker(
    environment: Mapping[str, str], timing: Timing = Timing(), *, crash_limit: int = CRASH_LIMIT
) -> Worker:
    """A worker with real clients. Raises InvalidSettings, which names every problem."""
    settings = Settings.from_environment(environment)
    session = boto3.session.Session()
    config = Config(
        connect_timeout=timing.aws_connect,
        read_timeout=timing.aws_read,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    report = Report(Logger(service="image_ingest"))
    sqs = session.client("sqs", config=config)
    secret = SecretSource(session.client("secretsmanager", config=config), settings.secret_id)
    ingest = Ingest(
        settings=settings,
        objects=Objects(session.client("s3", config=config)),
        ledger=Ledger(Table(session.client("dynamodb", config=config), settings.ledger_table)),
        superoffice=SuperOffice(settings.superoffice, secret, timing=timing, warn=report.warn),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        report=report,
        timing=timing,
        crash_limit=crash_limit,
    )
    return Worker(settings, ingest, IngestQueue(sqs, timing), report, timing)
