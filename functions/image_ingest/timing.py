"""Every time-out, lease and pause of the function, in one object that tests replace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All values in seconds. They depend on each other: a lease must outlast every call that is made under it."""

    invocation: float = 60.0  # assumed where the caller's context names no time limit
    reserve: float = 5.0  # of an invocation, kept for the ledger, the dead letter and the response
    closing: float = 4.0  # of the reserve, for those calls themselves
    least_for_upload: float = 3.0  # without which an upload is not begun
    lease_margin: float = 30.0  # that a lease outlasts the deadline: for the record, and for clocks that differ

    first_back_off: float = 30.0  # doubles with each receive
    longest_back_off: float = 6 * 3600.0
    # SQS counts its limit of 12 hours from the receipt, which may be as long ago as an invocation takes.
    longest_visibility: float = 12 * 3600.0 - 900.0

    queue_retention: float = 7 * 24 * 3600.0  # of the ingest queue
    # A message must return this long before its retention ends, so that it can still be dead-lettered.
    retention_margin: float = 3600.0

    aws_connect: float = 3.0
    aws_read: float = 10.0

    superoffice_connect: float = 5.0
    superoffice_exchange: float = 30.0  # one call, from the connection to the response's last byte
    # An older connection may have been dropped on the way, without either end noticing.
    superoffice_idle: float = 30.0
    superoffice_resend_pauses: tuple[float, ...] = (0.5, 1.0)
    least_for_resend: float = 2.0  # after the pause
    longest_block: float = 900.0  # by a Retry-After, for all calls to a tenant
    fixed_share: float = 30.0  # for which a worker keeps to its share of the rate when the shared limit cannot be used
    renewal_pause: float = 60.0  # after a renewal that did not help, before the same credential is renewed again
    longest_tenant_pause: float = 900.0  # a tenant that is not running may run again long before its ValidUntil
    undated_address: float = 600.0  # for which an address is kept whose ValidUntil is missing or past
