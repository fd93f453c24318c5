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
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._main, args=(run,), name=name, daemon=True)
        self._thread.start()

    def resume(self, verdict: str = "") -> None:
        """Lets it run to its next call, or to its end; `verdict` says how the call that it waits for goes."""
        self._verdict = verdict
        self._go.release()
        self._back.acquire()
        if self.done:
            self._thread.join()

    def pause(self) -> str:
        """Called by the task itself before a call: the verdict on it."""
        self._back.release()
        self._go.acquire()
        return self._verdict

    def _main(self, run: Callable[[], None]) -> None:
        self._go.acquire()
        try:
            run()
        except BaseException as error:  # noqa: BLE001  # whoever resumes it looks at it
            self.error = error
        self.done = True
        self._back.release()
