"""Invokes the function on an object of a deployed stack, with the caller's own AWS credentials."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.invoke import files
from sandbox.invoke.errors import InvokeFailed, UsageError
from sandbox.invoke.event import make_event
from sandbox.invoke.sam import SamLocal

_LOCATION = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)


@dataclass(frozen=True)
class ObjectRequest:
    """Which object of which stack."""

    stack: str
    bucket: str
    key: str


def parse_request(variables: Mapping[str, str]) -> ObjectRequest:
    """STACK and OBJECT. Raises UsageError."""
    stack, location = variables.get("STACK") or "", _LOCATION.fullmatch(variables.get("OBJECT") or "")
    if not stack or location is None:
        raise UsageError("Name the stack and the object: make invoke STACK=name OBJECT=s3://bucket/key")
    return ObjectRequest(stack, location[1], location[2])


def invoke_on_object(request: ObjectRequest, sam: SamLocal) -> bool:
    """Prints what became of the object; whether SuperOffice has it now. Raises InvokeFailed and Unavailable."""
    try:
        session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)
        region = _check_session(session)
        sam.check()
        variables, event = _read_stack(session, request)
    except (BotoCoreError, ClientError) as error:
        raise InvokeFailed(str(error)) from error
    built = files.build_if_needed()
    files.write_event(event)
    files.write_environment({**variables, **files.pass_endpoint(built, os.environ)})
    answer = sam.invoke({"AWS_REGION": region, "AWS_DEFAULT_REGION": region})
    print(f"Outcome:  {answer}")
    files.print_files()
    return answer.is_done


def _check_session(session: boto3.session.Session) -> str:
    """The region."""
    if session.get_credentials() is None:
        raise InvokeFailed("There are no AWS credentials. Set AWS_PROFILE, or run: aws configure")
    if session.region_name is None:
        raise InvokeFailed("There is no AWS region. Set AWS_DEFAULT_REGION to the region of the stack.")
    return session.region_name


def _read_stack(session: boto3.session.Session, request: ObjectRequest) -> tuple[dict[str, str], dict[str, Any]]:
    """The function's variables, and the event of the object."""
    (stack,) = session.client("cloudformation").describe_stacks(StackName=request.stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    if not {"ImageIngestFunctionName", "UploadBucketName"} <= set(outputs):
        raise InvokeFailed(f"{request.stack} is not a stack of this project's template.")
    configuration = session.client("lambda").get_function_configuration(FunctionName=outputs["ImageIngestFunctionName"])
    if request.bucket == outputs["UploadBucketName"]:
        print(
            "This object is in the stack's own bucket, so the deployed function has usually stored it already. "
            "Then the outcome is duplicate.",
            file=sys.stderr,
        )
    head = _read_head(session.client("s3"), request)
    return configuration["Environment"]["Variables"], make_event(request.bucket, request.key, head, session.region_name)


def _read_head(s3: Any, request: ObjectRequest) -> Mapping[str, Any]:
    try:
        return cast("Mapping[str, Any]", s3.head_object(Bucket=request.bucket, Key=request.key))
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey", "NoSuchBucket"}:
            raise
        raise InvokeFailed(f"There is no object s3://{request.bucket}/{request.key}.") from None
