"""Every check, in the order in which an upload meets what it examines."""

from __future__ import annotations

from collections.abc import Iterator

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks import function, queues, superoffice
from image_ingest_cli.checks.finding import Check, Finding, run_check

_CHECKS: dict[str, Check] = {
    "stack": function.check_stack,
    "settings": function.check_settings,
    "function": function.check_function,
    "decoder": function.check_decoder,
    "version": function.check_version,
    "picture formats": function.check_formats,
    "concurrency": function.check_concurrency,
    "notifications": queues.check_notifications,
    "queue policy": queues.check_queue_policy,
    "redrive": queues.check_redrive,
    "trigger": queues.check_trigger,
    "outcome events": queues.check_outcome_events,
    "secret": superoffice.check_secret,
    "tenant": superoffice.check_tenant,
    "SuperOffice": superoffice.check_api,
    "credential": superoffice.check_credential,
    "clocks": superoffice.check_clocks,
    "dead letters": queues.check_dead_letters,
}


def run_checks(stack: Stack) -> Iterator[Finding]:
    """Each finding in turn; without a stack only the first."""
    for name, check in _CHECKS.items():
        finding = run_check(name, check, stack)
        yield finding
        if name == "stack" and not finding.ok:
            return
