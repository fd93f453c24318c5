"""Why the function was not invoked."""


class InvokeFailed(Exception):
    """The function was not invoked; the message is one line that says what to do."""


class UsageError(InvokeFailed):
    """The variables of the command are wrong."""
