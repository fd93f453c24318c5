"""What stops a command, told in one line."""

from __future__ import annotations


class Trouble(Exception):
    """The command cannot go on; the message says what to do. `status` is its exit status: 1 failed, 2 wrong usage."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def misuse(message: str) -> Trouble:
    """The command was called in a way that makes no sense."""
    return Trouble(message, status=2)
