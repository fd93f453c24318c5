"""The process of the embedded AWS: ministack on an inherited socket, until it is killed."""

from __future__ import annotations

import asyncio
import heapq
import json
import stat
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app  # type: ignore[import-untyped]  # has no types
from ministack.core import lambda_runtime  # type: ignore[import-untyped]  # has no types
from ministack.services import sqs  # type: ignore[import-untyped]  # has no types

# How long ministack waits for an invocation's log: seconds until the first line, after each line, and in all.
# Its default of 0.05 until the first is too short on a busy machine, where the function's only line was never read.
_LOG_WAITS = (2.0, 0.02, 5.0)
_MOST_LISTED = 200  # hidden messages, and as many visible ones

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


async def serve_request(queue_path: str, scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application: ministack and, at `queue_path`, a view of a queue that is of bounded size."""
    if scope["type"] == "http" and scope["path"] == queue_path:
        (url,) = parse_qs(scope["query_string"].decode())["url"]
        body = json.dumps(describe_queue(url)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await app(scope, receive, send)


def describe_queue(url: str) -> Mapping[str, Any]:
    """How many messages are visible and hidden, and some of them: the next to return, and the newest visible ones."""
    now = time.time()
    queues = [queue for key, queue in sqs._queues.to_dict().items() if key[-1] == url]  # noqa: SLF001 - not bounded else
    messages = queues[0]["messages"] if queues else []
    hidden = heapq.nsmallest(_MOST_LISTED, (m for m in messages if m["visible_at"] > now), key=_read_visible_at)
    visible = sum(message["visible_at"] <= now for message in messages)
    newest = islice((m for m in reversed(messages) if m["visible_at"] <= now), _MOST_LISTED)
    return {"visible": visible, "hidden": len(messages) - visible, "messages": _list_messages([*hidden, *newest], now)}


def _read_visible_at(message: Mapping[str, Any]) -> float:
    return float(message["visible_at"])


def _list_messages(messages: Iterable[Mapping[str, Any]], now: float) -> list[Mapping[str, Any]]:
    return [
        {
            "id": message["id"],
            "body": message["body"],
            "receives": message.get("receive_count", 0),
            "visible_at": message["visible_at"],
            "visible": message["visible_at"] <= now,
            "attributes": {
                name: str(value.get("StringValue", ""))
                for name, value in (message.get("message_attributes") or {}).items()
            },
        }
        for message in messages
    ]


class ZipWithLinks(zipfile.ZipFile):
    """A zip whose symbolic links are unpacked as such, as `unzip` does; Python makes files of them."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Unpacks into the folder `path`."""
        for entry in members or self.infolist():
            if stat.S_ISLNK(entry.external_attr >> 16):
                place = Path(path, entry.filename)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(self.read(entry).decode())
            else:
                self.extract(entry, path, pwd)


def main() -> None:
    """Serves the socket, certificate, key and path named on the command line."""
    descriptor, certificate, key, queue_path = sys.argv[1:]
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = _LOG_WAITS  # noqa: SLF001 - no setting for it
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": ZipWithLinks})
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.certfile, config.keyfile = certificate, key
    config.loglevel = "WARNING"
    asyncio.run(serve(partial(serve_request, queue_path), config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
