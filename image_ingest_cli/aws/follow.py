"""Following uploads to their outcomes, by what the ledger says of their targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from image_ingest.ledger.order import same_upload
from image_ingest.ledger.table import Item
from image_ingest_cli.aws.ledger import Ending, attempt_of, ending, read_items
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.transfer import Sent
from image_ingest_cli.terminal.console import Steps

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds between two looks into the ledger


@dataclass(frozen=True)
class Outcome:
    """What became of an upload; `ending` is None while it is under way, then `code` says why it was put off."""

    sent: Sent
    ending: Ending | None
    code: str | None = None
    message: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the operator has to do something about it."""
        return self.ending is None or self.ending.outcome == "rejected"


def follow(
    stack: Stack,
    sent: Sequence[Sent],
    timeout: float,
    steps: Steps,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Outcome]:
    """The outcome of each upload, in the same order, after `timeout` seconds at most."""
    outcomes: dict[int, Outcome] = {}
    under_way = list(range(len(sent)))
    end, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while under_way:
        items = read_items(stack, [sent[i].photo.target for i in under_way])
        for i in under_way:
            outcomes[i] = _outcome(sent[i], items.get(str(sent[i].photo.target), {}))
        left = [i for i in under_way if outcomes[i].ending is None]
        steps.done(len(under_way) - len(left))
        under_way = left
        if not under_way or time.monotonic() >= end:
            break
        sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)
    return [outcomes[i] for i in range(len(sent))]


def _outcome(sent: Sent, item: Item) -> Outcome:
    if sent.mark is None:
        return Outcome(sent, None)
    ended = ending(item, sent.mark)
    attempt = attempt_of(item)
    if ended is None and attempt is not None and same_upload(sent.mark, attempt):
        return Outcome(sent, None, item.get("error_code"), item.get("error_message"))
    return Outcome(sent, ended)
