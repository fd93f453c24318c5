"""The commands, and what happens when one fails."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from image_ingest import __version__
from image_ingest.aws.errors import deferral, error_code
from image_ingest.errors import CATALOGUE, IngestError
from image_ingest_cli.commands.backfill import backfill
from image_ingest_cli.commands.doctor import doctor
from image_ingest_cli.commands.explain import explain
from image_ingest_cli.commands.failures import failures
from image_ingest_cli.commands.remove import forget, remove
from image_ingest_cli.commands.resend import resend
from image_ingest_cli.commands.secret import secret
from image_ingest_cli.commands.status import status
from image_ingest_cli.commands.upload import missing, upload
from image_ingest_cli.errors import Trouble
from image_ingest_cli.terminal import console


class _Commands(TyperGroup):
    """Says what went wrong in one line instead of a traceback; anything unforeseen keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Trouble as trouble:
            _fail(str(trouble), trouble.status)
        except IngestError as failure:
            _fail(f"{failure.message} {CATALOGUE[failure.code].advice} ({failure.code})")
        except (ClientError, BotoCoreError) as error:
            _fail(_aws_message(error))
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone
            raise typer.Exit(1) from None
        except OSError as error:
            if error.filename is None:
                raise
            _fail(f"{error.filename}: {error.strerror}.")
        except KeyboardInterrupt:
            _fail("Interrupted. Run the same command again to go on.")


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    help="Photos for SuperOffice CRM: upload them, see what became of them, send them again.",
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


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # Typer calls it so
    if wanted:
        console.say(f"image-ingest {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of the program itself; it is typer's callback that reads them."""


def main() -> None:
    """The program."""
    app(prog_name="image-ingest")


def _fail(message: str, status: int = 1) -> None:
    console.note(message, "red")
    raise typer.Exit(status)


def _aws_message(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        said = error.response.get("Error", {}).get("Message", "")
        return f"AWS refused {error.operation_name} ({error_code(error)}): {said}"
    entry = CATALOGUE[deferral(error, "").code]
    return f"{str(error).rstrip('.')}. Check the AWS region and credentials of this shell; {entry.meaning.lower()}"
