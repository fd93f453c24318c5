"""The composition root: everything that lives as long as the execution environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from image_ingest.architecture import check_architecture
from image_ingest.aws import DeadLetters, IngestQueue, LimitedClient, Objects, OutcomeEvents
from image_ingest.ingest import Ingest
from image_ingest.ledger import CRASH_LIMIT, Ledger, Table, TableSlots
from image_ingest.report import Report
from image_ingest.settings import InvalidSettings, Settings
from image_ingest.superoffice import RateLimits, SecretSource, SuperOffice
from image_ingest.timing import Timing


@dataclass(frozen=True)
class Worker:
    """What handles uploads in one execution environment."""

    settings: Settings
    ingest: Ingest
    queue: IngestQueue
    report: Report
    timing: Timing = Timing()
    clock: Callable[[], float] = time.time


def build_worker(
    environment: Mapping[str, str], timing: Timing = Timing(), *, crash_limit: int = CRASH_LIMIT
) -> Worker:
    """A worker with real clients. Raises WrongArchitecture, and InvalidSettings, which names every problem."""
    check_architecture()
    session = boto3.session.Session(region_name=environment.get("AWS_REGION"))
    settings = _read_settings(environment, session)
    config = Config(
        connect_timeout=timing.aws_connect,
        read_timeout=timing.aws_read,
        retries={"mode": "standard", "total_max_attempts": 3},
    )

    def connect(service: Any) -> Any:
        return LimitedClient(session.client(service, config=config))

    report = Report(Logger(service="image_ingest"))
    sqs = connect("sqs")
    secret = SecretSource(connect("secretsmanager"), settings.secret_id)
    table = Table(connect("dynamodb"), settings.ledger_table)
    limits = RateLimits(settings.superoffice, lambda tenant: TableSlots(table, tenant), timing, warn=report.warn)
    ingest = Ingest(
        settings=settings,
        objects=Objects(connect("s3")),
        ledger=Ledger(table),
        superoffice=SuperOffice(settings.superoffice, secret, limits=limits, timing=timing, warn=report.warn),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        outcome_events=OutcomeEvents(connect("events"), bus) if (bus := settings.outcome_event_bus) else None,
        report=report,
        timing=timing,
        crash_limit=crash_limit,
    )
    return Worker(settings, ingest, IngestQueue(sqs, timing), report, timing)


def _read_settings(environment: Mapping[str, str], session: boto3.session.Session) -> Settings:
    """The settings, if there are also a region and credentials: these cause the most puzzling errors when missing."""
    problems = []
    if session.region_name is None:
        problems.append("AWS_REGION is required")
    if session.get_credentials() is None:
        problems.append("AWS credentials are required")
    try:
        settings = Settings.from_environment(environment)
    except InvalidSettings as invalid:
        raise InvalidSettings([*invalid.problems, *problems]) from None
    if problems:
        raise InvalidSettings(problems)
    return settings
