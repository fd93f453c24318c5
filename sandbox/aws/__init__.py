"""AWS on this machine: an embedded emulator, this project's template deployed into it, and what the stack contains."""

from sandbox.aws.emulator import (
    ACCOUNT_ID,
    ARTIFACTS,
    REGION,
    TEMPLATE,
    Credentials,
    DeployedStack,
    EmbeddedAws,
    SandboxFailed,
    package_template,
    start_aws,
)
from sandbox.aws.monitor import LogLine, Monitor, QueuedMessage, QueueView
from sandbox.aws.packages import zip_function

__all__ = [
    "ACCOUNT_ID",
    "ARTIFACTS",
    "REGION",
    "TEMPLATE",
    "Credentials",
    "DeployedStack",
    "EmbeddedAws",
    "LogLine",
    "Monitor",
    "QueueView",
    "QueuedMessage",
    "SandboxFailed",
    "package_template",
    "start_aws",
    "zip_function",
]
