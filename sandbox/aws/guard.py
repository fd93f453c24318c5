"""Cleans up after a sandbox whose program was killed: ends its processes and removes its folder."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Waits until standard input closes, which happens however the parent ends; then removes its group and folder."""
    group, folder = int(sys.argv[1]), Path(sys.argv[2])
    sys.stdin.buffer.read()
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    end = time.monotonic() + 5
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)  # a process that is ending may still write
        time.sleep(0.05)


if __name__ == "__main__":
    main()
