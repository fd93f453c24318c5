"""The process of the embedded AWS: ministack on an inherited socket, gone when whoever started it is gone."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
import time


def _end_with_parent() -> None:
    """Ends this process group and its folder once standard input closes, however the parent died."""
    sys.stdin.buffer.read()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    time.sleep(0.2)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serves the socket, certificate and key named on the command line until killed."""
    descriptor, certificate, key = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only SIGKILL and the parent's end stop it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.certfile, config.keyfile = certificate, key
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config, shutdown_trigger=asyncio.Event().wait))  # type: ignore[arg-type]  # an ASGI app


if __name__ == "__main__":
    main()
