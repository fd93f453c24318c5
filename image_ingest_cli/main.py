"""The commands, and what happens when one fails."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from image_ingest import __version__
from image_ingest.errors import IngestError
from image_ingest_cli.aws.errors import describe_aws_error, describe_failure
from image_ingest_cli.commands.backfill import backfill
from image_ingest_cli.commands.doctor import doctor
from image_ingest_cli.commands.explain import explain
from image_ingest_cli.commands.failures import failures
from image_ingest_cli.commands.forget import forget
from image_ingest_cli.commands.missing import missing
from image_ingest_cli.commands.remove import remove
from image_ingest_cli.commands.resend import resend
from image_ingest_cli.commands.secret import secret
from image_ingest_cli.commands.status import status
from image_ingest_cli.commands.upload import upload
from image_ingest_cli.errors import CommandError
from image_ingest_cli.terminal.console import prepare_streams, print_note, print_text


class _Commands(TyperGroup):
    """Reports a failure in one line instead of a traceback; an unexpected error keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        ctx.call_on_close(sys.stdout.flush)  # not after the program, where nobody could catch that the reader has ended
        try:
            return super().invoke(ctx)
        except CommandError as error:
            _fail(str(error), error.status)
        except IngestError as failure:
            _fail(_describe_failure(failure))
        except (ClientError, BotoCoreError) as error:
            _fail(str(describe_aws_error(error)))
        except OSError as error:
            if error.filename is None:
                raise  # of a reader that has ended: Typer exits with 1
            _fail(f"{error.filename}: {error.strerror}.")
        except KeyboardInterrupt:
            _fail("Interrupted. Run the same command again to continue.")


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    help="Photos for SuperOffice CRM: upload them, explain failures, retry them, remove pictures.",
)
app.command()(upload)
app.command()(missing)
app.command()(status)
app.command()(explain)
app.command()(resend)
app.command()(backfill)
app.command()(remove)
app.command()(forget)
app.command()(doctor)
app.add_typer(secret, name="secret")
app.add_typer(failures, name="failures")


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # the signature that Typer calls
    if wanted:
        print_text(f"image-ingest {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of the program itself, read by Typer's callback."""


def main() -> None:
    """Runs the program."""
    prepare_streams()
    app(prog_name="image-ingest")


def _fail(message: str, status: int = 1) -> None:
    print_note(message, "red")
    raise typer.Exit(status)


def _describe_failure(failure: IngestError) -> str:
    problem = describe_failure(failure)
    return f"{problem} ({failure.code})" if problem.message == failure.message else str(problem)
