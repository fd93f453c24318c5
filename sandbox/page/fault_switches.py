"""The page's switches: failures of SuperOffice and of the function's processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from sandbox.aws import EmbeddedAws
from sandbox.page.actions import Refused
from sandbox.superoffice import StandIn

SLOW_SECONDS = 4.0
CALLS_PER_SECOND = 1
_HELD_SECONDS = 30.0  # how long SuperOffice holds the call during which the worker is killed


class FaultSwitches:
    """The faults that are switched on. `killed_at` is when workers were last killed, in seconds since the epoch."""

    def __init__(self, superoffice: StandIn, aws: EmbeddedAws) -> None:
        self._superoffice = superoffice
        self._certificate = aws.environment()["AWS_CA_BUNDLE"]
        self._on: set[str] = set()
        self._lock = threading.Lock()
        self._armed_at = 0.0
        self.killed_at = 0.0
        self._switches: Mapping[str, Callable[[bool], None]] = {
            "down": self._set_down,
            "slow": lambda _: self._set_faults(),
            "limited": lambda on: superoffice.rate_limit(CALLS_PER_SECOND if on else None),
            "maintenance": superoffice.maintenance,
            "revoked": lambda on: superoffice.revoke_credentials() if on else superoffice.restore_credentials(),
            "kill": lambda _: self._set_faults(),
        }

    @property
    def names(self) -> frozenset[str]:
        """The switches."""
        return frozenset(self._switches)

    def switch(self, name: str, *, on: bool) -> None:
        """Turns one of `names` on or off. Raises Refused if this machine cannot do it."""
        if name == "kill" and on and shutil.which("ps") is None:
            raise Refused("Install the package procps: its command ps finds the function's processes.")
        with self._lock:
            turn = self._switches[name]
            if (name in self._on) != on:
                self._on ^= {name}
                self._armed_at = time.monotonic()
                turn(on)

    def move_tenant(self) -> None:
        """The tenant moves to another host."""
        self._superoffice.move_tenant()

    def describe(self) -> dict[str, bool | int]:
        """The state of each switch, and the number of the tenant's host."""
        return {name: name in self._on for name in self._switches} | {"host": self._superoffice.state.tenant.host}

    @property
    def is_armed(self) -> bool:
        """Whether the worker will be killed during its next call."""
        return "kill" in self._on

    def kill_workers(self) -> None:
        """Kills the workers if this is switched on and one of them is waiting for a response."""
        calls = self._superoffice.find_calls("PUT", "/Image")
        if self.is_armed and any(call.status is None and call.at >= self._armed_at for call in calls):
            for worker in self._find_workers():
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            self.killed_at = time.time()
            self.switch("kill", on=False)

    def _set_down(self, on: bool) -> None:  # noqa: FBT001 - all switches look alike
        if on:
            self._superoffice.down()
        else:
            self._superoffice.up()

    def _set_faults(self) -> None:
        self._superoffice.clear_faults()
        if self.is_armed:
            self._superoffice.fail(1, method="PUT", delay=_HELD_SECONDS, drop=True)
        if "slow" in self._on:
            self._superoffice.fail(None, delay=SLOW_SECONDS)

    def _find_workers(self) -> list[int]:
        """The function's processes: children of the emulator, whose command line names this certificate."""
        listing = subprocess.run(["ps", "-ww", "-axo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        processes = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
        emulators = {pid for pid, _, command in (p for p in processes if len(p) == 3) if self._certificate in command}
        return [int(p[0]) for p in processes if p[1] in emulators and p[-1].endswith("_worker.py")]
