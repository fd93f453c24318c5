"""The stack with shorter waits than in production, for tests of retries that would otherwise take hours."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from sandbox.aws import TEMPLATE, DeployedStack, EmbeddedAws, zip_function

DESCRIPTION = (
    "Waits are shorter than in production: back-off 1 to 3 s (30 s to 6 h), a call to SuperOffice 2 s (30 s), "
    "an invocation 8 s (120 s), visibility 10 s (720 s), lease margin 3 s (30 s)."
)
_LAUNCHER = "short_waits"
_CODE = '''\
"""The unchanged function with shorter waits."""
import os
from functools import cache

from image_ingest.app import handle_event
from image_ingest.timing import Timing
from image_ingest.worker import build_worker

FIRST_BACK_OFF = {back_off}
TIMING = Timing(
    reserve=3,
    closing=2.5,
    least_for_upload=1,
    first_back_off=FIRST_BACK_OFF,
    longest_back_off=max(FIRST_BACK_OFF, 3),
    lease_margin=3,
    superoffice_exchange=2,
)


@cache
def get_worker():
    return build_worker(os.environ, TIMING)


def lambda_handler(event, context):
    return handle_event(get_worker(), event, context)
'''
_CHANGES = (
    ("Handler: image_ingest.app.lambda_handler", f"Handler: {_LAUNCHER}.lambda_handler"),
    ("Timeout: 120", "Timeout: 8"),
    ("VisibilityTimeout: 720", "VisibilityTimeout: 10"),
)


def deploy_with_short_waits(
    aws: EmbeddedAws, stack_name: str, parameters: Mapping[str, str], back_off: float = 1
) -> DeployedStack:
    """Deploys the template and the function, both unchanged but for the waits. `back_off` is the first, in seconds."""
    template = TEMPLATE.read_text()
    for text, shorter in _CHANGES:
        assert template.count(text) == 1, f"the template should have once: {text}"
        template = template.replace(text, shorter)
    package = io.BytesIO(zip_function())
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr(f"{_LAUNCHER}.py", _CODE.format(back_off=back_off))
    return aws.deploy(parameters, template=template, code=package.getvalue(), stack_name=stack_name)
