"""Checks of the way from bucket to function and out: notifications, queues, trigger, event bus, dead letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from image_ingest.aws import error_code
from image_ingest_cli.aws.queues import count_messages
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks.finding import REDEPLOY, CheckFailed
from image_ingest_cli.terminal.options import format_stack_option
from image_ingest_cli.terminal.text import pluralize


def check_notifications(stack: Stack) -> str:
    """S3 notifies the ingest queue of every new object and, with REMOVE_WHEN_DELETED, of every deleted one."""
    queue = stack.get_queue_arn(stack.ingest_queue)
    found = stack.s3.get_bucket_notification_configuration(Bucket=stack.bucket).get("QueueConfigurations", [])
    events = [event for one in found if one["QueueArn"] == queue for event in one["Events"]]
    if "s3:ObjectCreated:*" not in events:
        raise CheckFailed("The bucket does not notify the ingest queue of new objects.", REDEPLOY)
    removes = stack.settings.remove_when_deleted
    if removes and "s3:ObjectRemoved:*" not in events:
        raise CheckFailed("The bucket does not notify the ingest queue of deleted objects.", REDEPLOY)
    return "enabled, for deleted objects too" if removes else "enabled"


def check_queue_policy(stack: Stack) -> str:
    """The ingest queue accepts messages from the bucket."""
    statements = json.loads(_read_queue(stack).get("Policy", '{"Statement": []}'))["Statement"]
    if not any(_allows_bucket(statement, stack.bucket) for statement in statements):
        raise CheckFailed("The queue's policy does not allow the bucket to send to it.", REDEPLOY)
    return "allows the bucket to send"


def check_redrive(stack: Stack) -> str:
    """The ingest queue gives up after MAX_ATTEMPTS, into the stack's dead-letter queue."""
    policy = json.loads(_read_queue(stack).get("RedrivePolicy", "{}"))
    attempts = stack.settings.max_attempts
    if policy.get("deadLetterTargetArn") != stack.get_queue_arn(stack.dead_letter_queue):
        raise CheckFailed("The ingest queue's dead-letter queue is not the stack's.", REDEPLOY)
    if int(policy["maxReceiveCount"]) != attempts:
        raise CheckFailed(f"maxReceiveCount is {policy['maxReceiveCount']}, but MAX_ATTEMPTS is {attempts}.", REDEPLOY)
    return f"to the dead-letter queue after {attempts} attempts"


def check_trigger(stack: Stack) -> str:
    """Messages on the ingest queue start the function."""
    response = stack.client("lambda").list_event_source_mappings(FunctionName=stack.function_name)
    if "Enabled" not in [trigger["State"] for trigger in response["EventSourceMappings"]]:
        raise CheckFailed("The queue does not start the function.", "Enable the function's SQS trigger in Lambda.")
    return "enabled"


def check_outcome_events(stack: Stack) -> str:
    """The event bus that receives the outcomes exists."""
    bus = stack.settings.outcome_event_bus
    if bus is None:
        return "not used"
    try:
        stack.client("events").describe_event_bus(Name=bus)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        raise CheckFailed(
            f"There is no event bus {bus}, so every upload is deferred.",
            "Create the bus, or deploy with another OutcomeEventBus.",
        ) from None
    return f"to {bus}"


def check_dead_letters(stack: Stack) -> str:
    """Nothing failed permanently."""
    count = count_messages(stack).dead
    if count:
        raise CheckFailed(
            f"{pluralize(count, 'dead letter')}, each kept for at most 14 days.",
            f"image-ingest failures list{format_stack_option(stack.name)}",
        )
    return "none"


def _allows_bucket(statement: Mapping[str, Any], bucket: str) -> bool:
    service = statement.get("Principal", {})
    service = service.get("Service") if isinstance(service, dict) else service
    return (
        statement.get("Effect") == "Allow"
        and service in {"s3.amazonaws.com", "*"}
        and "sqs:SendMessage" in json.dumps(statement.get("Action"))
        and f":::{bucket}" in json.dumps(statement.get("Condition", f":::{bucket}"))
    )


def _read_queue(stack: Stack) -> Mapping[str, str]:
    response: Mapping[str, Any] = stack.sqs.get_queue_attributes(QueueUrl=stack.ingest_queue, AttributeNames=["All"])
    return response["Attributes"]  # type: ignore[no-any-return]  # names and texts
