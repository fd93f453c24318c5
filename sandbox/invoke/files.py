"""What `make invoke` leaves in .aws-sam/invoke: the build, the event, the function's environment, the picture."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from layers.build import BuildFailed
from sandbox.invoke.errors import InvokeFailed
from sandbox.lambda_runtime import SAM, Built, build_if_changed, this_machine
from sandbox.tools.commands import ROOT

FUNCTION = "ImageIngestFunction"
FOLDER = ROOT / ".aws-sam/invoke"
TEMPLATE = FOLDER / "build/template.yaml"
EVENT, ENVIRONMENT = FOLDER / "event.json", FOLDER / "environment.json"
_CA_BUNDLE = "ca-bundle.pem"  # in the function's folder, which is all that a container sees of this machine
_VARIABLES = "      Environment:\n        Variables:\n"
_ADDED = ("AWS_CA_BUNDLE", "AWS_ENDPOINT_URL")  # `sam local` sets only variables that the template declares


def build_if_needed() -> Built:
    """A copy of the built function for this machine's processor. Raises InvokeFailed and Unavailable."""
    try:
        built = build_if_changed(this_machine())
    except BuildFailed as failure:
        raise InvokeFailed(str(failure)) from failure
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(built.function.parent, TEMPLATE.parent)
    _declare_variables()
    return Built(built.architecture, TEMPLATE.with_name(FUNCTION), TEMPLATE.with_name("PillowLayer"))


def write_event(event: Mapping[str, Any]) -> None:
    """For `sam local invoke -e`."""
    EVENT.write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n")


def write_environment(variables: Mapping[str, str]) -> None:
    """For `sam local invoke -n`."""
    ENVIRONMENT.write_text(json.dumps({FUNCTION: dict(variables)}, indent=2) + "\n")


def pass_endpoint(built: Built, aws: Mapping[str, str]) -> dict[str, str]:
    """The variables with which a container reaches the same AWS; its certificate is copied to where they see it."""
    passed = {name: aws[name] for name in _ADDED if aws.get(name)}
    if "AWS_CA_BUNDLE" in passed:
        shutil.copyfile(passed["AWS_CA_BUNDLE"], built.function / _CA_BUNDLE)
        passed["AWS_CA_BUNDLE"] = f"/var/task/{_CA_BUNDLE}"
    return passed


def sam_command(sam: str) -> list[str]:
    """The plain command that runs the built function on the written event in the written environment."""
    files = {"-t": TEMPLATE, "-e": EVENT, "-n": ENVIRONMENT}
    flags = [word for flag, path in files.items() for word in (flag, show(path))]
    return [sam, "local", "invoke", FUNCTION, *flags, "--parameter-overrides", f"Architecture={this_machine()}"]


def show(path: Path) -> str:
    """The path below the repository."""
    return str(path.relative_to(ROOT))


def print_files(credentials: Mapping[str, str] = MappingProxyType({})) -> None:
    """Where they are, and the line that uses them, which sets these variables."""
    print(f"Event:    {show(EVENT)}")
    print(f"Settings: {show(ENVIRONMENT)}")
    command = shlex.join(sam_command("sam" if shutil.which("sam") else show(SAM)))
    variables = "".join(f"{name}={shlex.quote(value)} " for name, value in credentials.items())
    print(f"By hand:  {variables}{command} {os.environ.get('SAM_LOCAL_FLAGS', '')}".rstrip())


def _declare_variables() -> None:
    text = TEMPLATE.read_text()
    if text.count(_VARIABLES) != 1:
        raise InvokeFailed("The built template should declare the function's variables exactly once.")
    added = "".join(f"          {name}: ''\n" for name in _ADDED if f"          {name}:" not in text)
    TEMPLATE.write_text(text.replace(_VARIABLES, _VARIABLES + added))
