"""Following uploads to their outcomes, by the ledger items of their targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from image_ingest.ledger import Item, same_upload
from image_ingest_cli.aws.ledger import Ending, find_ending, read_attempt, read_items
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.transfer import Transfer
from image_ingest_cli.terminal.progress import Steps

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds between two reads of the ledger


@dataclass(frozen=True)
class FollowedUpload:
    """How a transferred file ended; `ending` is None while it is in progress, then `code` says why it was deferred."""

    transfer: Transfer
    ending: Ending | None
    code: str | None = None
    message: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the operator has to act."""
        return self.ending is None or self.ending.outcome == "rejected"


def follow_uploads(
    stack: Stack,
    transfers: Sequence[Transfer],
    timeout: float,
    steps: Steps,
    sleep: Callable[[float], None] = time.sleep,
) -> list[FollowedUpload]:
    """The state of each upload, in the same order, once all have ended or `timeout` seconds have passed."""
    followed: dict[int, FollowedUpload] = {}
    open_ones = list(range(len(transfers)))
    end, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while open_ones:
        items = read_items(stack, [transfers[i].photo.target for i in open_ones])
        for i in open_ones:
            followed[i] = _look_up(transfers[i], items.get(str(transfers[i].photo.target), {}))
        still_open = [i for i in open_ones if followed[i].ending is None]
        steps.advance(len(open_ones) - len(still_open))
        open_ones = still_open
        if not open_ones or time.monotonic() >= end:
            break
        sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)
    return [followed[i] for i in range(len(transfers))]


def _look_up(transfer: Transfer, item: Item) -> FollowedUpload:
    if transfer.identity is None:
        return FollowedUpload(transfer, None)
    ending = find_ending(item, transfer.identity)
    attempt = read_attempt(item)
    if ending is None and attempt is not None and same_upload(transfer.identity, attempt):
        return FollowedUpload(transfer, None, item.get("error_code"), item.get("error_message"))
    return FollowedUpload(transfer, ending)
