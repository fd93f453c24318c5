"""What stops a command, in one line."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot continue; the message says what to do. Exit `status`: 1 failed, 2 wrong usage."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def usage_error(message: str) -> CommandError:
    """The command was called with arguments that do not fit together."""
    return CommandError(message, status=2)
