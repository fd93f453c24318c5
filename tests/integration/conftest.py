from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.aws import EmbeddedAws
from sandbox.superoffice import StandIn
from tests.support.cli_sandbox import CliSandbox, deploy_cli_sandbox
from tests.support.stack import MotoStack, running_stack


@pytest.fixture
def stack() -> Iterator[MotoStack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def deployed_sandbox(aws: EmbeddedAws) -> Iterator[CliSandbox]:
    """The deployed template for all tests of a process."""
    with StandIn() as superoffice:
        yield deploy_cli_sandbox(aws, superoffice)


@pytest.fixture
def sandbox(deployed_sandbox: CliSandbox) -> CliSandbox:
    """The deployed template with an empty ledger and empty queues, and without faults."""
    deployed_sandbox.clear()
    return deployed_sandbox
