"""The stack with shorter waits than in production, for tests of retries that would otherwise take hours."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from sandbox.aws import TEMPLATE, DeployedStack, EmbeddedAws, zip_function

DESCRIPTION = (
    "Waits are shorter than in production: back-off 1 to 6 s (30 s to 6 h), a call to SuperOffice 3 s (30 s), "
    "an invocation 15 s (120 s), visibility 30 s (720 s), lease margin 6 s (30 s)."
)
_LAUNCHER = "short_waits"
_CODE = '''\
"""The unchanged function with shorter waits."""
import os
from functools import cache

from image_ingest.app import handle_event
from image_ingest.timing import Timing
from image_ingest.worker import build_worker

TIMING = Timing(first_back_off=1, longest_back_off=6, lease_margin=6, superoffice_exchange=3)


@cache
def get_worker():
    return build_worker(os.environ, TIMING)


def lambda_handler(event, context):
    return handle_event(get_worker(), event, context)
'''
_CHANGES = (
    ("Handler: image_ingest.app.lambda_handler", f"Handler: {_LAUNCHER}.lambda_handler"),
    ("Timeout: 120", "Timeout: 15"),
    ("VisibilityTimeout: 720", "VisibilityTimeout: 30"),
)


def deploy_with_short_waits(aws: EmbeddedAws, stack_name: str, parameters: Mapping[str, str]) -> DeployedStack:
    """Deploys the template and the function, both unchanged but for the waits."""
    template = TEMPLATE.read_text()
    for text, shorter in _CHANGES:
        assert template.count(text) == 1, f"the template should have once: {text}"
        template = template.replace(text, shorter)
    stack = aws.deploy(parameters, template=template, stack_name=stack_name)
    package = io.BytesIO(zip_function())
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr(f"{_LAUNCHER}.py", _CODE)
    aws.client("lambda").update_function_code(
        FunctionName=stack.outputs["ImageIngestFunctionName"], ZipFile=package.getvalue()
    )
    return stack
