"""The AWS services that the function uses, and what their errors mean."""

from image_ingest.aws.dead_letters import DeadLetters
from image_ingest.aws.errors import aws_call, error_code, http_status, is_encrypted
from image_ingest.aws.ingest_queue import IngestQueue, compute_back_off
from image_ingest.aws.objects import ARCHIVED, Gone, Objects, StoredObject, is_archived
from image_ingest.aws.outcome_events import OutcomeEvents
from image_ingest.aws.time_limit import LimitedClient, limit_calls

__all__ = [
    "ARCHIVED",
    "DeadLetters",
    "Gone",
    "IngestQueue",
    "LimitedClient",
    "Objects",
    "OutcomeEvents",
    "StoredObject",
    "aws_call",
    "compute_back_off",
    "error_code",
    "http_status",
    "is_archived",
    "is_encrypted",
    "limit_calls",
]
