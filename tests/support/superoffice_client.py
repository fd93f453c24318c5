"""A SuperOffice client for tests: a secret that can be rotated and refused, a picture, a clock that can be turned."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from PIL import Image

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import Calls, ImageInfo, RateLimits, SecretSource, SuperOffice
from image_ingest.target import Target
from image_ingest.timing import Timing
from sandbox.superoffice import StandIn

PERSON = Target("person", 123)


@dataclass(frozen=True)
class TestPicture:
    """A picture ready for SuperOffice."""

    __test__ = False
    data: bytes
    content_type: str


@cache
def picture(content_type: str = "image/jpeg", size: tuple[int, int] = (12, 8)) -> TestPicture:
    """A small picture of that type and size."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, content_type.removeprefix("image/").upper())
    return TestPicture(out.getvalue(), content_type)


@dataclass
class Secrets:
    """Secrets Manager with one secret, whose text or document can be replaced at any time."""

    content: dict[str, Any] | str
    reads: int = 0

    def get_secret_value(self, **_arguments: str) -> dict[str, Any]:
        self.reads += 1
        return {"SecretString": self.content if isinstance(self.content, str) else json.dumps(self.content)}


@dataclass
class Clock:
    """A wall clock that runs, can be turned forward, and on which sleeping takes no time."""

    offset: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return time.time() + self.offset

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Worker:
    """One worker environment: a client whose rate limit no test notices, unless told otherwise."""

    def __init__(
        self,
        content: dict[str, Any] | str,
        settings: SuperOfficeSettings | None = None,
        *,
        limits: RateLimits | None = None,
        timing: Timing = Timing(),
    ) -> None:
        self.secrets = Secrets(content)
        self.clock = Clock()
        self.client = SuperOffice(
            settings or SuperOfficeSettings(),
            SecretSource(self.secrets, "superoffice"),
            limits=limits or RateLimits(SuperOfficeSettings(calls_per_second=1_000_000), clock=self.clock),
            timing=timing,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def put(
        self,
        target: Target = PERSON,
        image: TestPicture | None = None,
        *,
        seconds: float = 30,
        calls: Calls | None = None,
    ) -> int:
        """Uploads the picture; answers its blob id."""
        return self.client.put_image(target, image or picture(), Deadline(seconds), calls or Calls())

    def image_info(self, target: Target = PERSON, *, seconds: float = 30) -> ImageInfo | None:
        """What SuperOffice says of the picture that the record shows."""
        return self.client.image_info(target, Deadline(seconds), Calls())

    def delete(self, target: Target = PERSON, *, seconds: float = 30, calls: Calls | None = None) -> bool:
        """Deletes the record's picture; False if there was none."""
        return self.client.delete_image(target, Deadline(seconds), calls or Calls())


@pytest.fixture(name="so")
def stand_in() -> Iterator[StandIn]:
    """A SuperOffice of its own for the test."""
    with StandIn() as running:
        yield running


def deferred_by(worker: Worker, *, seconds: float = 30) -> Deferred:
    """How the worker's upload is deferred."""
    with pytest.raises(Deferred) as caught:
        worker.put(seconds=seconds)
    return caught.value


def worker_of(stand_in: StandIn, auth: str = "basic", settings: SuperOfficeSettings | None = None) -> Worker:
    """A worker with a valid secret for the stand-in."""
    return Worker(stand_in.secret(auth), settings)


def puts(stand_in: StandIn) -> int:
    """How many image PUTs arrived."""
    return len(stand_in.find_calls("PUT", "/Image"))
