"""`sam local invoke`, which runs the built function in a container."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping

from sandbox.invoke.errors import InvokeFailed
from sandbox.invoke.files import sam_command
from sandbox.invoke.outcome import Answer, parse_answer
from sandbox.lambda_runtime import SAM, need
from sandbox.tools.commands import ROOT

_FIND_ENGINE = (  # as SAM itself does
    "from samcli.local.docker.container_client_factory import ContainerClientFactory as f; f.create_client()"
)
_NO_ENGINE = (
    "`sam local invoke` needs a container engine such as Docker, and none answers. Start one, or set DOCKER_HOST."
)


class SamLocal:
    """Runs the built function on the written event, in the written environment. Raises InvokeFailed and Unavailable."""

    def check(self) -> None:
        """Raises InvokeFailed if SAM would find no container engine."""
        need(SAM)
        asked = [str(SAM.with_name("python")), "-c", _FIND_ENGINE]
        if subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            raise InvokeFailed(_NO_ENGINE)

    def invoke(self, environment: Mapping[str, str]) -> Answer:
        """What the function answered; `environment` has the AWS credentials and region, if not this process has."""
        command = [*sam_command(str(SAM)), *shlex.split(os.environ.get("SAM_LOCAL_FLAGS", ""))]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "SAM_CLI_TELEMETRY": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InvokeFailed("`sam local invoke` failed; its message is above.")
        return parse_answer(done.stdout)
