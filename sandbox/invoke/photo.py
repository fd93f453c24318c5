"""Invokes the function on a photo of this machine, against the sandbox."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_ingest.target import ENTITY_TYPES, MAX_ENTITY_ID, Target
from sandbox.aws import REGION, DeployedStack, Monitor, start_aws
from sandbox.invoke import files
from sandbox.invoke.errors import UsageError
from sandbox.invoke.event import make_event
from sandbox.invoke.outcome import Answer, parse_answer
from sandbox.invoke.sam import SamLocal
from sandbox.lambda_runtime import Built, Emulator
from sandbox.page import Page
from sandbox.superoffice import StandIn, StoredPicture, prepare_keys

BUCKET = "photos-without-a-trigger"  # the stack's own bucket would have the deployed function take the photo first
_CONTAINERS_OWN = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")
_UNREACHABLE = ("aws.unavailable", "superoffice.unavailable")


@dataclass(frozen=True)
class PhotoRequest:
    """Which photo for which record, and by which way to run the function."""

    photo: Path
    target: Target
    by_sam: bool
    keep: bool


def parse_request(variables: Mapping[str, str]) -> PhotoRequest:
    """PHOTO, FOR, VIA and KEEP. Raises UsageError."""
    name, for_ = variables.get("PHOTO"), variables.get("FOR") or ""
    if not name:
        raise UsageError("Name the photo and its record: make invoke PHOTO=me.jpg FOR=person/1")
    if not (photo := Path(name)).is_file():
        raise UsageError(f"PHOTO: the file {photo} does not exist.")
    if (via := variables.get("VIA") or "") not in ("", "sam"):
        raise UsageError(f"VIA must be sam, or be left out. It is {via}.")
    match = re.fullmatch(r"([A-Za-z]+)/([0-9]{1,10})", for_)
    if match is None or (kind := match[1].lower()) not in ENTITY_TYPES or not 1 <= int(match[2]) <= MAX_ENTITY_ID:
        raise UsageError(f"FOR names the record, such as person/1: one of {', '.join(ENTITY_TYPES)}, and its id.")
    return PhotoRequest(photo, Target(kind, int(match[2])), via == "sam", bool(variables.get("KEEP")))


def invoke_on_photo(request: PhotoRequest) -> bool:
    """Prints what became of the photo; whether SuperOffice has it now. Raises InvokeFailed and SandboxFailed."""
    if request.by_sam:
        SamLocal().check()
    built = files.build_if_needed()
    prepare_keys()
    with StandIn() as superoffice, start_aws() as aws:
        stack = aws.deploy()
        stack.put_secret(superoffice.secret("basic"))
        event = _upload(stack, request)
        answer = _invoke(stack, built, event, by_sam=request.by_sam)
        item = Monitor(stack).read_item(request.target)
        picture = superoffice.picture(request.target.entity_type, request.target.entity_id)
        _report(answer, request, item, picture, _list_credentials(aws.environment()))
        _keep(stack, superoffice, keep=request.keep)
    return answer.is_done


def _upload(stack: DeployedStack, request: PhotoRequest) -> dict[str, Any]:
    s3, key = stack.aws.client("s3"), request.photo.name
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    metadata = {"entity-type": request.target.entity_type, "entity-id": str(request.target.entity_id)}
    s3.put_object(Bucket=BUCKET, Key=key, Body=request.photo.read_bytes(), Metadata=metadata)
    return make_event(BUCKET, key, s3.head_object(Bucket=BUCKET, Key=key), REGION)


def _invoke(stack: DeployedStack, built: Built, event: Mapping[str, Any], *, by_sam: bool) -> Answer:
    name = stack.outputs["ImageIngestFunctionName"]
    configuration = stack.aws.client("lambda").get_function_configuration(FunctionName=name)
    variables = configuration["Environment"]["Variables"]
    aws = stack.aws.environment()
    files.write_event(event)
    files.write_environment({**variables, **files.pass_endpoint(built, aws)})
    credentials = _list_credentials(aws)
    if by_sam:
        return SamLocal().invoke(credentials)
    certificate, seconds = Path(aws["AWS_CA_BUNDLE"]), configuration["Timeout"]
    with Emulator(built, {**variables, **aws, **credentials}, visible=[certificate], seconds=seconds) as emulator:
        return parse_answer(emulator.invoke(event)[1])


def _list_credentials(aws: Mapping[str, str]) -> dict[str, str]:
    """What a container needs of the sandbox's variables."""
    return {"AWS_REGION": REGION, **{name: value for name, value in aws.items() if name not in _CONTAINERS_OWN}}


def _report(
    answer: Answer,
    request: PhotoRequest,
    item: Mapping[str, Any],
    picture: StoredPicture | None,
    credentials: Mapping[str, str],
) -> None:
    print(f"Outcome:  {answer}")
    print(f"Ledger:   {_describe_item(item) if item else f'no item for {request.target}'}")
    print(f"Picture:  {_save(picture) if picture else 'SuperOffice has none'}")
    files.print_files(credentials)
    if request.by_sam and any(code in answer.text for code in _UNREACHABLE):
        print(
            "The sandbox listens on 127.0.0.1, which most containers do not share with this machine. "
            "Leave VIA=sam out, or use an engine with host networking."
        )


def _keep(stack: DeployedStack, superoffice: StandIn, *, keep: bool) -> None:
    if not keep:
        print("The sandbox has ended. The line above needs it: KEEP=true keeps it running.")
        return
    with Page(stack, superoffice) as page:
        print(f"The sandbox runs until Ctrl-C; its page: {page.url}", flush=True)
        threading.Event().wait()


def _save(picture: StoredPicture) -> str:
    place = files.FOLDER / f"picture.{picture.content_type.rpartition('/')[2]}"
    place.write_bytes(picture.data)
    return f"{files.show(place)}, {picture.width} x {picture.height}, {len(picture.data)} bytes"


def _describe_item(item: Mapping[str, Any]) -> str:
    names = ("status", "blob_id", "width", "height", "content_type", "error_code", "error_message")
    return ", ".join([str(item["target"]), *(f"{name}={item[name]}" for name in names if item.get(name) is not None)])
