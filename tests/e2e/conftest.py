"""Each test deploys a stack of its own, with a SuperOffice of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.lambda_runtime import Built, build_all
from sandbox.superoffice import StandIn, prepare_keys


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
