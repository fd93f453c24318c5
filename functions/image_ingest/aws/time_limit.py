"""Every wait for AWS ends with a deadline, however slowly AWS sends or receives.

boto3's own time-outs bound a single wait on a socket, not a call: a response that arrives byte by byte never ends. So
each call runs in a thread that is abandoned at the deadline. An abandoned call may still be carried out, like a call
whose response was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred

_T = TypeVar("_T")
_PIECE = 65_536  # bytes
_current: ContextVar[Deadline | None] = ContextVar("deadline of calls to AWS", default=None)


@contextmanager
def limit_calls(deadline: Deadline) -> Iterator[None]:
    """Within this context, calls of a LimitedClient end by the deadline."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


class LimitedClient:
    """A boto3 client whose calls, and reads of a response's `Body`, end by the deadline of limit_calls().

    They then raise Deferred `worker.out-of-time`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        return partial(_call, attribute) if callable(attribute) else attribute


class _LimitedBody:
    """The part of a streaming body that is used."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._is_abandoned = False

    def read(self, size: int) -> bytes:
        try:
            return _run(partial(self._read, size), self._close)
        except Deferred:
            self._is_abandoned = True
            raise

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and not self._is_abandoned:
            if not (piece := self._body.read(min(_PIECE, size - len(data)))):
                break
            data += piece
        return bytes(data)

    def _close(self, _: Future[bytes]) -> None:
        self._body.close()


def _call(operation: Callable[..., Any], **arguments: Any) -> Any:
    response = _run(partial(operation, **arguments), _close_body)
    if isinstance(response, dict) and "Body" in response:
        response["Body"] = _LimitedBody(response["Body"])
    return response


def _close_body(call: Future[Any]) -> None:
    """Nobody reads what an abandoned call has returned."""
    response = None if call.exception() else call.result()
    if isinstance(response, dict) and "Body" in response:
        response["Body"].close()


def _run(function: Callable[[], _T], close: Callable[[Future[_T]], None]) -> _T:
    """The function's result. `close` gets the future of an abandoned call when it has ended: earlier, it would wait."""
    deadline = _current.get()
    if deadline is None:
        return function()
    seconds = deadline.bound(threading.TIMEOUT_MAX)
    future: Future[_T] = Future()
    threading.Thread(target=_complete, args=(future, function), daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # the function's own
            raise
        future.add_done_callback(close)
        raise Deferred("worker.out-of-time", "The worker's time ran out during a call to AWS.") from None


def _complete(future: Future[_T], function: Callable[[], _T]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001  # whoever waits for it looks at it
        future.set_exception(error)
