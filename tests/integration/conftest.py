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
def shared(aws: EmbeddedAws) -> Iterator[CliSandbox]:
    """The deployed template for all tests of a process."""
    with StandIn() as superoffice:
        yield deploy_cli_sandbox(aws, superoffice)


@pytest.fixture
def sandbox(shared: CliSandbox) -> CliSandbox:
    """The deployed template without dead letters, faults or waiting uploads."""
    shared.clear()
    return shared
