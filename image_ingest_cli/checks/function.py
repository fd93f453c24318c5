"""Checks of the stack and its function: state, settings, version, picture formats, concurrency."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from image_ingest import __version__
from image_ingest_cli.aws.remote_zip import open_zip
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks.finding import REDEPLOY, CheckFailed
from image_ingest_cli.terminal.options import UPDATE

_DECODERS = ("PIL/_imaging.", "PIL/_webp.", "PIL/_avif.", "PIL/_imagingcms.", "pillow_heif/", "_pillow_heif.")
_IN_LAYER = re.compile(r"^python/(lib/python3\.\d+/site-packages/)?")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}


def check_stack(stack: Stack) -> str:
    """The stack exists and its newest deployment is complete."""
    status = stack.description["StackStatus"]
    if not re.fullmatch(r"(CREATE|UPDATE|IMPORT)_COMPLETE|UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", status):
        delete = "run sam delete and " if stack.never_worked else ""
        raise CheckFailed(
            f"{stack.name} is in state {status}.",
            f"Read the stack's events in CloudFormation, then {delete}deploy again.",
        )
    return f"{stack.name}, {status}"


def check_settings(stack: Stack) -> str:
    """The function's environment is valid."""
    settings = stack.settings
    bounds = f"{settings.picture.max_width}x{settings.picture.max_height}"
    return f"valid; pictures within {bounds}, {settings.superoffice.calls_per_second:g} calls a second"


def check_function(stack: Stack) -> str:
    """The function starts; it is invoked without an upload."""
    response = stack.client("lambda").invoke(FunctionName=stack.function_name, Payload=b'{"Records": []}')
    payload = response["Payload"].read().decode(errors="replace")
    if "FunctionError" in response:
        raise CheckFailed(
            f"The function fails: {payload[:300]}",
            "Correct the parameter that it names (IMAGE_FIT is ImageFit), then deploy again.",
        )
    return "responds"


def check_decoder(stack: Stack) -> str:
    """The function decodes a picture, in a process whose system calls the kernel filters."""
    response = stack.client("lambda").invoke(
        FunctionName=stack.function_name, Payload=b'{"Records": []}', LogType="Tail"
    )
    log = base64.b64decode(response.get("LogResult", "")).decode(errors="replace")
    entry = _find_entry(log.splitlines(), "decoder")
    if entry is None:
        raise CheckFailed(
            "The function's log does not say whether it decodes pictures.",
            "Deploy the version of this command line, with a log level of INFO.",
        )
    if entry.get("confined") is None:
        raise CheckFailed("The function decodes no picture.", "Read its log, then deploy again.")
    if not entry["confined"]:
        raise CheckFailed(
            "The function decodes pictures, but its kernel refuses the filter of system calls.",
            "Nothing, if everybody who may upload is trusted. Otherwise read docs/threats.md, and report it.",
        )
    return "isolated, its system calls are filtered"


def check_version(stack: Stack) -> str:
    """The function and this command line have the same version."""
    location = stack.client("lambda").get_function(FunctionName=stack.function_name)["Code"]["Location"]
    with open_zip(location, _read_endpoint(stack)) as code:
        text = code.read("image_ingest/__init__.py").decode()
    found = re.search(r'__version__ = "([^"]+)"', text)
    deployed = found[1] if found else "unknown"
    if deployed != __version__:
        raise CheckFailed(
            f"The stack has version {deployed}, this command line {__version__}.",
            f"Deploy again, or install that version of the command line: {UPDATE}",
        )
    return f"{deployed}, same as this command line"


def check_formats(stack: Stack) -> str:
    """The layer contains every decoder, for the function's processor."""
    for layer in stack.function.get("Layers", ()):
        content = stack.client("lambda").get_layer_version_by_arn(Arn=layer["Arn"])["Content"]
        with open_zip(content["Location"], _read_endpoint(stack)) as archive:
            names = [_IN_LAYER.sub("", name) for name in archive.namelist()]
        if any(name.startswith("PIL/") for name in names):
            return _check_decoders(names, stack)
    raise CheckFailed("The function has no layer with Pillow.", REDEPLOY)


def check_concurrency(stack: Stack) -> str:
    """As many workers may run at once as MaxConcurrency asks for."""
    functions = stack.client("lambda")
    wanted = stack.settings.superoffice.workers
    reserved = functions.get_function_concurrency(FunctionName=stack.function_name).get("ReservedConcurrentExecutions")
    if reserved is not None:
        if reserved < wanted:
            raise CheckFailed(
                f"ReservedConcurrency is {reserved}, but MaxConcurrency is {wanted}.",
                f"Deploy with ReservedConcurrency of at least {wanted}, or none.",
            )
        return f"{reserved} reserved, {wanted} needed"
    limits = functions.get_account_settings()["AccountLimit"]
    free = int(limits.get("UnreservedConcurrentExecutions", limits["ConcurrentExecutions"]))
    if free < wanted:
        raise CheckFailed(
            f"All functions of this account together may run {free} times at once, but MaxConcurrency is {wanted}.",
            "Request a higher Lambda quota for concurrent executions (Service Quotas), or lower MaxConcurrency.",
        )
    return f"{wanted} needed, the account allows {free}"


def _check_decoders(names: list[str], stack: Stack) -> str:
    missing = [wanted for wanted in _DECODERS if not any(name.startswith(wanted) for name in names)]
    if missing:
        raise CheckFailed(f"The layer lacks {', '.join(missing)}", "Build and deploy the layer again.")
    machine = _MACHINES[stack.function["Architectures"][0]]
    others = [name for name in names if name.endswith("-linux-gnu.so") and f"-{machine}-" not in name]
    if others and not stack.is_emulator:  # an emulator runs functions with its own interpreter
        raise CheckFailed(
            f"The layer is not built for {machine}: {others[0]}", "Run sam build with the Architecture that you deploy."
        )
    return "all available"


def _find_entry(lines: Sequence[str], message: str) -> Mapping[str, Any] | None:
    """The last log entry with this message."""
    for line in reversed(lines):
        with suppress(ValueError):
            entry = json.loads(line[max(line.find("{"), 0) :])
            if isinstance(entry, dict) and entry.get("message") == message:
                return entry
    return None


def _read_endpoint(stack: Stack) -> str:
    return str(stack.client("lambda").meta.endpoint_url)
