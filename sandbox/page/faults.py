"""The page's switches: what SuperOffice, or the machine under the function, does to the uploads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from sandbox.aws.emulator import EmbeddedAws
from sandbox.page.actions import Refused
from sandbox.superoffice import StandIn

SLOW_SECONDS = 4.0
CALLS_PER_SECOND = 1
_HELD_SECONDS = 30.0  # how long SuperOffice sits on the call in whose middle the worker is killed


class Weather:
    """What is switched on now; `killed_at` is when workers were killed, in seconds since the epoch."""

    def __init__(self, superoffice: StandIn, aws: EmbeddedAws) -> None:
        self._superoffice = superoffice
        self._certificate = aws.environment()["AWS_CA_BUNDLE"]
        self._on: set[str] = set()
        self._lock = threading.Lock()
        self._armed_at = 0.0
        self.killed_at = 0.0
        self._switches: Mapping[str, Callable[[bool], None]] = {
            "down": self._down,
            "slow": lambda _: self._fail(),
            "limited": lambda on: superoffice.rate_limit(CALLS_PER_SECOND if on else None),
            "maintenance": superoffice.maintenance,
            "revoked": lambda on: superoffice.revoke_credentials() if on else superoffice.restore_credentials(),
            "kill": lambda _: self._fail(),
        }

    @property
    def names(self) -> frozenset[str]:
        """The switches."""
        return frozenset(self._switches)

    def switch(self, name: str, *, on: bool) -> None:
        """Turns one of `names` on or off. Raises Refused where this machine cannot do it."""
        if name == "kill" and on and shutil.which("ps") is None:
            raise Refused("Finding the function's processes needs the command ps, of the package procps.")
        with self._lock:
            turn = self._switches[name]
            if (name in self._on) != on:
                self._on ^= {name}
                self._armed_at = time.monotonic()
                turn(on)

    def move_tenant(self) -> None:
        """The tenant moves to another host."""
        self._superoffice.move_tenant()

    def state(self) -> dict[str, bool | int]:
        """Every switch, and the number of the host that the tenant is on."""
        return {name: name in self._on for name in self._switches} | {"host": self._superoffice.world.tenant.host}

    @property
    def armed(self) -> bool:
        """Whether a worker is to be killed in its next call."""
        return "kill" in self._on

    def watch(self) -> None:
        """Kills the workers if they are to be killed and one of them is in the middle of its call."""
        calls = self._superoffice.called("PUT", "/Image")
        if self.armed and any(call.status is None and call.at >= self._armed_at for call in calls):
            for worker in self._workers():
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            self.killed_at = time.time()
            self.switch("kill", on=False)

    def _down(self, on: bool) -> None:  # noqa: FBT001 - all switches look alike
        if on:
            self._superoffice.down()
        else:
            self._superoffice.up()

    def _fail(self) -> None:
        self._superoffice.clear_weather()
        if self.armed:
            self._superoffice.fail(1, method="PUT", delay=_HELD_SECONDS, drop=True)
        if "slow" in self._on:
            self._superoffice.fail(None, delay=SLOW_SECONDS)

    def _workers(self) -> list[int]:
        """The function's processes: children of the emulator, which is the one that shows this certificate."""
        listing = subprocess.run(["ps", "-ww", "-axo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        processes = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
        emulators = {pid for pid, _, command in (p for p in processes if len(p) == 3) if self._certificate in command}
        return [int(p[0]) for p in processes if p[1] in emulators and p[-1].endswith("_worker.py")]
