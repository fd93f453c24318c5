"""Virtual time, and real code that runs up to its next call to the outside and no further."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Died(BaseException):
    """The process is gone: killed, out of memory, out of time. Nothing of it runs on."""


class Choices:
    """What happens next, read off a list of numbers; where the list ends everything goes well.

    A smaller number is a plainer choice, so a shorter list of smaller numbers is an easier history to read.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)

    def number(self) -> int:
        """The next number, 0 at the end."""
        return next(self._numbers, 0)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; the first is the plainest."""
        return options[self.number() % len(options)]


@dataclass(frozen=True)
class Waiting:
    """A call that a task is about to make: what it is, how it may go wrong, and when its caller gives up.

    Nothing comes of it before `earliest`.
    """

    name: str
    faults: tuple[str, ...]
    until: float
    earliest: float = 0.0


class Task:
    """Code that runs in a thread of its own, but only between resume() and its next pause()."""

    def __init__(self, name: str, dies_at: float, run: Callable[[], None]) -> None:
        self.name = name
        self.dies_at = dies_at
        self.waiting: Waiting | None = None
        self.done = False
        self.error: BaseException | None = None
        self._verdict: str = ""
        self._run = run
        self._thread = _idle.pop() if _idle else _Thread()
        self._thread.task = self

    def resume(self, verdict: str = "") -> None:
        """Lets it run to its next call, or to its end; `verdict` says how the call that it waits for goes."""
        self._verdict = verdict
        self._thread.go.release()
        self._thread.back.acquire()
        if self.done:
            _idle.append(self._thread)

    def pause(self) -> str:
        """Called by the task itself before a call: the verdict on it."""
        self._thread.back.release()
        self._thread.go.acquire()
        return self._verdict

    def run(self) -> None:
        """Called by its thread."""
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001  # whoever resumes it looks at it
            self.error = error
        self.done = True


class _Thread(threading.Thread):
    """Runs one task after the other: a search has thousands, each of which is over before it goes on."""

    task: Task

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.go = _closed()
        self.back = _closed()
        self.start()

    def run(self) -> None:
        while True:
            self.go.acquire()
            self.task.run()
            self.back.release()


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


_idle: list[_Thread] = []
