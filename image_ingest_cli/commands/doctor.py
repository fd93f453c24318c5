"""`image-ingest doctor`: everything that must hold for uploads to work, each line with its fix."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import typer
from botocore.exceptions import BotoCoreError, ClientError

from image_ingest import __version__
from image_ingest.aws.errors import error_code
from image_ingest.errors import CATALOGUE, IngestError
from image_ingest.superoffice import Response, describe_response, is_loopback
from image_ingest_cli.aws.remote_zip import open_zip
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import Trouble
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName

_DECODERS = ("PIL/_imaging.", "PIL/_webp.", "PIL/_avif.", "PIL/_imagingcms.", "pillow_heif/", "_pillow_heif.")
_IN_LAYER = re.compile(r"^python/(lib/python3\.\d+/site-packages/)?")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_MOST_SKEW = 60.0  # seconds; a system user's signature names the minute


class _Ill(Exception):
    """A check failed; `fix` says what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    check: str
    ok: bool
    detail: str
    fix: str | None = None


def doctor(*, json: AsJson = False, stack: StackName = DEFAULT_STACK) -> None:
    """Examine stack, credential and SuperOffice; every red line says how to mend it.

    Nothing is changed: the function is called with no upload, and SuperOffice with harmless reads.
    """
    findings = []
    for finding in examine(Stack(stack)):
        findings.append(finding)
        if not json:
            _show(finding)
    if json:
        console.say_json([vars(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(stack: Stack) -> Iterator[Finding]:
    """Each check in turn; without a stack only the first."""
    for name, check in _CHECKS.items():
        finding = _finding(name, check, stack)
        yield finding
        if name == "stack" and not finding.ok:
            return


def _finding(name: str, check: Callable[[Stack], str], stack: Stack) -> Finding:
    try:
        return Finding(name, ok=True, detail=check(stack))
    except _Ill as ill:
        return Finding(name, ok=False, detail=str(ill), fix=ill.fix)
    except Trouble as trouble:
        return Finding(name, ok=False, detail=str(trouble))
    except IngestError as failure:
        return Finding(name, ok=False, detail=failure.message, fix=CATALOGUE[failure.code].advice)
    except ClientError as error:
        fix = "Give your own AWS user the right to do this, to be able to check it."
        return Finding(name, ok=False, detail=f"AWS refused {error.operation_name}: {error_code(error)}.", fix=fix)
    except BotoCoreError as error:
        return Finding(name, ok=False, detail=str(error), fix="Check the AWS region and credentials of this shell.")


def _show(finding: Finding) -> None:
    mark, style = ("ok ", "green") if finding.ok else ("BAD", "bold red")
    console.say(f"{mark} {finding.check}: {finding.detail}", style)
    if finding.fix:
        console.say(f"    → {finding.fix}")


def _stack(stack: Stack) -> str:
    status = stack.description["StackStatus"]
    if not re.fullmatch(r"(CREATE|UPDATE|IMPORT)_COMPLETE|UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", status):
        raise _Ill(f"{stack.name} is in state {status}.", "Look at the stack's events in CloudFormation, deploy again.")
    return f"{stack.name}, {status}"


def _settings(stack: Stack) -> str:
    settings = stack.settings
    bounds = f"{settings.picture.max_width}x{settings.picture.max_height}"
    return f"valid; pictures within {bounds}, {settings.superoffice.calls_per_second:g} calls a second"


def _function(stack: Stack) -> str:
    answer = stack.client("lambda").invoke(FunctionName=stack.function_name, Payload=b'{"Records": []}')
    said = answer["Payload"].read().decode(errors="replace")
    if "FunctionError" in answer:
        raise _Ill(f"It fails: {said[:300]}", "Correct the parameter that it names and deploy again.")
    return "answers"


def _version(stack: Stack) -> str:
    location = stack.client("lambda").get_function(FunctionName=stack.function_name)["Code"]["Location"]
    with open_zip(location, _endpoint(stack)) as code:
        text = code.read("image_ingest/__init__.py").decode()
    found = re.search(r'__version__ = "([^"]+)"', text)
    deployed = found[1] if found else "unknown"
    if deployed != __version__:
        raise _Ill(
            f"The stack has {deployed}, this command line is {__version__}.", "Deploy again, or install the same."
        )
    return f"{deployed}, as this command line"


def _formats(stack: Stack) -> str:
    layers = [layer["Arn"] for layer in stack.function.get("Layers", ())]
    for arn in layers:
        content = stack.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"]
        with open_zip(content["Location"], _endpoint(stack)) as layer:
            names = [_IN_LAYER.sub("", name) for name in layer.namelist()]
        if any(name.startswith("PIL/") for name in names):
            return _decoders(names, stack)
    raise _Ill("The function has no layer with Pillow.", "Deploy the template unchanged.")


def _decoders(names: list[str], stack: Stack) -> str:
    lacking = [wanted for wanted in _DECODERS if not any(name.startswith(wanted) for name in names)]
    if lacking:
        raise _Ill(f"The layer lacks {', '.join(lacking)}", "Build and deploy the layer again.")
    machine = _MACHINES[stack.function["Architectures"][0]]
    others = [name for name in names if name.endswith("-linux-gnu.so") and f"-{machine}-" not in name]
    if others and not _is_emulator(stack):  # an emulator runs functions with its own interpreter
        raise _Ill(f"The layer is not built for {machine}: {others[0]}", "sam build with the Architecture you deploy.")
    return "all of them"


def _secret(stack: Stack) -> str:
    secret = stack.crm.secret()
    return f"valid, {type(secret.scheme).__name__} for {secret.tenant}"


def _tenant(stack: Stack) -> str:
    where = stack.crm.address()
    return f"runs, at {where}" if stack.crm.secret().base_url is None else f"fixed, at {where}"


def _superoffice(stack: Stack) -> str:
    return _said_yes(stack.crm.version(), "Check base_url; it ends before v1.")


def _credential(stack: Stack) -> str:
    return _said_yes(stack.crm.principal(), CATALOGUE["superoffice.unauthorized"].advice)


def _said_yes(response: Response, fix: str) -> str:
    if response.status == 200:
        return "answers" if "json" in response.headers.get("Content-Type", "") else "answers, though not in JSON"
    raise _Ill(f"{describe_response(response)}.", fix)


def _notifications(stack: Stack) -> str:
    queue = stack.queue_arn(stack.ingest_queue)
    found = stack.s3.get_bucket_notification_configuration(Bucket=stack.bucket).get("QueueConfigurations", [])
    events = [event for one in found if one["QueueArn"] == queue for event in one["Events"]]
    if "s3:ObjectCreated:*" not in events:
        raise _Ill("The bucket does not tell the ingest queue of every new object.", "Deploy the template again.")
    return "the bucket tells the ingest queue"


def _queue_policy(stack: Stack) -> str:
    policy = _queue(stack).get("Policy", '{"Statement": []}')
    statements = json_module.loads(policy)["Statement"]
    if not any(_lets_s3_send(statement, stack.bucket) for statement in statements):
        raise _Ill("The queue's policy does not let the bucket send to it.", "Deploy the template again.")
    return "lets the bucket send"


def _lets_s3_send(statement: Mapping[str, Any], bucket: str) -> bool:
    service = statement.get("Principal", {})
    service = service.get("Service") if isinstance(service, dict) else service
    return (
        statement.get("Effect") == "Allow"
        and service in {"s3.amazonaws.com", "*"}
        and "sqs:SendMessage" in json_module.dumps(statement.get("Action"))
        and f":::{bucket}" in json_module.dumps(statement.get("Condition", f":::{bucket}"))
    )


def _redrive(stack: Stack) -> str:
    policy = json_module.loads(_queue(stack).get("RedrivePolicy", "{}"))
    attempts = stack.settings.max_attempts
    if policy.get("deadLetterTargetArn") != stack.queue_arn(stack.dead_letter_queue):
        raise _Ill("The ingest queue has another dead-letter queue than the stack's.", "Deploy the template again.")
    if int(policy["maxReceiveCount"]) != attempts:
        raise _Ill(f"maxReceiveCount is {policy['maxReceiveCount']}, MAX_ATTEMPTS {attempts}.", "Deploy again.")
    return f"after {attempts} attempts to the dead-letter queue"


def _trigger(stack: Stack) -> str:
    answer = stack.client("lambda").list_event_source_mappings(FunctionName=stack.function_name)
    states = [trigger["State"] for trigger in answer["EventSourceMappings"]]
    if "Enabled" not in states:
        raise _Ill("The queue does not start the function.", "Enable the function's SQS trigger in Lambda.")
    return "enabled"


def _dead_letters(stack: Stack) -> str:
    answer = stack.sqs.get_queue_attributes(
        QueueUrl=stack.dead_letter_queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    if waiting:
        raise _Ill(
            f"{console.many(waiting, 'dead letter')} waiting, for 14 days at most.",
            f"image-ingest failures list --stack {stack.name}",
        )
    return "none"


def _clocks(stack: Stack) -> str:
    metadata = stack.client("sts").get_caller_identity()["ResponseMetadata"]
    aws = _moment(metadata["HTTPHeaders"].get("date"))
    superoffice = _moment(stack.crm.version().headers.get("Date"))
    here = datetime.now(UTC)
    if aws and abs((here - aws).total_seconds()) > _MOST_SKEW:
        raise _Ill("This machine's clock is not AWS's.", "Set this machine's clock.")
    if superoffice and abs((here - superoffice).total_seconds()) > _MOST_SKEW:
        raise _Ill("SuperOffice's clock is not AWS's; logins of a system user may fail.", "Set the server's clock.")
    return "agree"


def _moment(date: str | None) -> datetime | None:
    return parsedate_to_datetime(date) if date else None


def _queue(stack: Stack) -> Mapping[str, str]:
    answer: Mapping[str, Any] = stack.sqs.get_queue_attributes(QueueUrl=stack.ingest_queue, AttributeNames=["All"])
    return answer["Attributes"]  # type: ignore[no-any-return]  # names and texts


def _endpoint(stack: Stack) -> str:
    return str(stack.client("lambda").meta.endpoint_url)


def _is_emulator(stack: Stack) -> bool:
    return is_loopback(urlsplit(_endpoint(stack)).hostname or "")


_CHECKS: dict[str, Callable[[Stack], str]] = {
    "stack": _stack,
    "settings": _settings,
    "function": _function,
    "version": _version,
    "picture formats": _formats,
    "notifications": _notifications,
    "queue policy": _queue_policy,
    "redrive": _redrive,
    "trigger": _trigger,
    "secret": _secret,
    "tenant": _tenant,
    "SuperOffice": _superoffice,
    "credential": _credential,
    "clocks": _clocks,
    "dead letters": _dead_letters,
}
