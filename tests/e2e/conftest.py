"""One embedded AWS and one SuperOffice stand-in for all of these tests; each test deploys its own stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.aws import EmbeddedAws, start_aws
from sandbox.lambda_runtime import Built, build_all
from sandbox.superoffice import StandIn, prepare_keys


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    with start_aws() as running:
        yield running


@pytest.fixture
def superoffice() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _keys() -> None:
    prepare_keys()


@pytest.fixture(scope="session")
def built() -> dict[str, Built]:
    """What `sam build` makes for each architecture; one build serves all processes of a run."""
    return build_all()
