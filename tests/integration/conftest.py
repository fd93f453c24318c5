from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli_sandbox import CliSandbox, open_cli_sandbox
from tests.support.stack import MotoStack, running_stack


@pytest.fixture
def stack() -> Iterator[MotoStack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def shared() -> Iterator[CliSandbox]:
    """The deployed template for all tests of a module."""
    with open_cli_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: CliSandbox) -> CliSandbox:
    """The module's deployed template, emptied."""
    shared.clear()
    return shared
