"""How a call to another service fails: before it, after it, without a response, or too late."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulation.virtual import Died

T = TypeVar("T")

FINE = "fine"
DIES = "dies before"
DIES_AFTER = "dies after"
REFUSED = "refused"  # the service refuses and has done nothing
LOST = "answer lost"  # it was carried out, and the response was lost
TWICE = "sent twice"  # the client's own retry after a lost response
LATE = "arrives late"  # the caller gave up; it is carried out later all the same
NEVER = "never arrives"
DIES_LATE = "dies, arrives late"

NOT_NOW = "not now"
NO_RECORD = "no such record"
OUT_OF_TIME = "out of time"
RESENT = "sent again at once, the first one arrives late"

READ = (DIES, REFUSED)
SEND = (DIES, DIES_AFTER, REFUSED, LOST)
WRITE = (DIES, DIES_AFTER, REFUSED, LOST, LATE, DIES_LATE, TWICE)
DECODE = (DIES, OUT_OF_TIME)
PUT = (DIES, DIES_AFTER, DIES_LATE, NOT_NOW, NO_RECORD, LOST, LATE, NEVER, RESENT)

DEATHS = (DIES, DIES_AFTER, DIES_LATE)
TIME_OUTS = (NEVER, OUT_OF_TIME, REFUSED, LATE, LOST)

GIVES_UP = 39.0  # seconds: botocore's three tries of ten seconds to read and three to connect


def throttled(operation: str) -> ClientError:
    """AWS's answer that nothing was done."""
    error = {"Error": {"Code": "ThrottlingException", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)  # type: ignore[arg-type]  # the parts that are read


def no_answer() -> ReadTimeoutError:
    """botocore's last word when no try was answered."""
    return ReadTimeoutError(endpoint_url="https://aws")


def strike(verdict: str, operation: str, effect: Callable[[], T], later: Callable[[Callable[[], T]], None]) -> T:
    """Makes an AWS call go as the verdict says; `later` takes an effect that comes too late."""
    if verdict == DIES:
        raise Died
    if verdict == REFUSED:
        raise throttled(operation)
    if verdict in (LATE, DIES_LATE):
        later(effect)
        raise no_answer() if verdict == LATE else Died
    answer = effect()
    if verdict == DIES_AFTER:
        raise Died
    if verdict == LOST:
        raise no_answer()
    return effect() if verdict == TWICE else answer
