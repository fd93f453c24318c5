"""One process that calls SuperOffice within the shared rate limit; its arguments: when to begin, and how many calls.

It prints how many slots it took. On a busy machine these are more than its calls, as it wakes up too late for some.
"""

from __future__ import annotations

import os
import sys
import time

import boto3

from image_ingest.deadline import Deadline
from image_ingest.ledger import Table, TableSlots
from image_ingest.settings import Settings
from image_ingest.superoffice import Calls, RateLimits, SecretSource, SlotItem, SlotRequest, SuperOffice
from image_ingest.target import Target
from tests.support.superoffice_client import picture


class CountedSlots(TableSlots):
    """Slots that count how many were taken."""

    taken = 0

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._count(super().append(request))

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._count(super().restart(request))

    @classmethod
    def _count(cls, result: tuple[bool, SlotItem]) -> tuple[bool, SlotItem]:
        cls.taken += result[0]
        return result


def main(begins: float, number: int) -> None:
    """Stores a picture of person 1 to warm up, then pictures of person 2."""
    settings = Settings.from_environment(os.environ)
    table = Table(boto3.client("dynamodb"), settings.ledger_table)
    limits = RateLimits(settings.superoffice, lambda tenant: CountedSlots(table, tenant))
    secret = SecretSource(boto3.client("secretsmanager"), settings.secret_id)
    client = SuperOffice(settings.superoffice, secret, limits=limits)
    deadline = Deadline(120)
    image = picture()
    client.put_image(Target("person", 1), image, deadline, Calls())  # opens every connection
    time.sleep(max(0.0, begins - time.time()))
    CountedSlots.taken = 0
    for _ in range(number):
        client.put_image(Target("person", 2), image, deadline, Calls())
    sys.stdout.write(str(CountedSlots.taken))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
