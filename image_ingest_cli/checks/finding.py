"""One check of `image-ingest doctor`, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.errors import IngestError
from image_ingest_cli.aws.errors import describe_aws_error, describe_failure
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError

REDEPLOY = "Deploy the template again. If it reports no changes, this was changed by hand: undo that."
Check = Callable[[Stack], str]  # the detail of a success; raises what run_check translates


class CheckFailed(Exception):
    """A check failed; `fix` says what to do."""

    def __init__(self, text: str, fix: str) -> None:
        super().__init__(text)
        self.fix = fix


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    ok: bool
    detail: str
    fix: str | None = None


def run_check(name: str, check: Check, stack: Stack) -> Finding:
    """The finding, whatever goes wrong in the check."""
    try:
        return Finding(name, ok=True, detail=check(stack))
    except CheckFailed as failure:
        return Finding(name, ok=False, detail=str(failure), fix=failure.fix)
    except CommandError as error:
        return Finding(name, ok=False, detail=str(error))
    except IngestError as failure:
        problem = describe_failure(failure)
        return Finding(name, ok=False, detail=problem.message, fix=problem.advice)
    except (ClientError, BotoCoreError) as error:
        problem = describe_aws_error(error)
        return Finding(name, ok=False, detail=problem.message, fix=problem.advice)
