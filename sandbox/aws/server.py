"""The process of the embedded AWS: ministack on an inherited socket, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app  # type: ignore[import-untyped]  # has no types


def main() -> None:
    """Serves the socket, certificate and key named on the command line."""
    descriptor, certificate, key = sys.argv[1:]
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.certfile, config.keyfile = certificate, key
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
