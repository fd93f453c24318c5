"""One embedded AWS and one SuperOffice stand-in for all of these tests; each test deploys its own stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.aws import EmbeddedAws, embedded_aws
from sandbox.superoffice import StandIn
from sandbox.superoffice.world import warm_up


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    with embedded_aws() as running:
        yield running


@pytest.fixture
def superoffice() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _keys() -> None:
    warm_up()
