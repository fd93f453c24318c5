"""Where the API is: fixed, or Online as the state service says, as tenants move between hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.address import get_host, is_loopback, is_online, parse_api_address
from image_ingest.superoffice.connection import Request
from image_ingest.superoffice.responses import build_unexpected, parse_timestamp, read_service_object
from image_ingest.superoffice.secret_schema import Secret
from image_ingest.superoffice.transport import Calls, Transport

_UNDATED_SECONDS = 600  # how long an address without ValidUntil is kept
_RUNNING = ("Running", "OnlineMaintenance")
_MEANINGS = {
    "Deleted": "it was deleted; point the secret to another tenant",
    "Deleting": "it is being deleted; point the secret to another tenant",
    "Suspended": "it is suspended; ask SuperOffice why",
    "OfflineMaintenance": "it is in maintenance, usually for minutes",
    "MigrationPending": "it is about to be moved",
    "Provisioning": "it is being set up",
}


class Tenant:
    """The API's address, kept as long as SuperOffice says that it is valid."""

    def __init__(self, secret: Secret, transport: Transport, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._api: str | None = None
        self._valid_until = 0.0

    @property
    def moves(self) -> bool:
        """Whether the address comes from the state service."""
        return self._secret.base_url is None

    def find_api(self, deadline: Deadline, calls: Calls) -> str:
        """The address that `/v1/…` is appended to.

        Raises Deferred `superoffice.unavailable` (not running), `credentials.invalid` (unknown), other `superoffice.*`.
        """
        if self._secret.base_url is not None:
            return self._secret.base_url
        with deadline.hold(self._lock):
            if self._api is None or self._clock() >= self._valid_until:
                self._api = None
                self._api = self._look_up(deadline, calls)
            return self._api

    def forget(self, api: str) -> None:
        """This address failed: the next call asks the state service again."""
        if self._api == api:
            self._valid_until = 0.0

    def _look_up(self, deadline: Deadline, calls: Calls) -> str:
        name = self._secret.context_identifier or ""
        url = f"{self._secret.login}/api/state/{name}"
        response = self._transport.send(Request("GET", url, {"Accept": "application/json"}), deadline, calls)
        if response.status == 404:
            raise Deferred(
                "credentials.invalid",
                f"SuperOffice knows no tenant {name} at {get_host(url)}: check context_identifier and environment.",
            )
        state = read_service_object(response, "state service", self._secret.redact, self._clock())
        said_name = state.get("ContextIdentifier")
        if isinstance(said_name, str) and said_name.lower() != name.lower():
            raise build_unexpected("state service", "is about another tenant")
        valid_until = parse_timestamp(state.get("ValidUntil"))
        _check_running(state, None if valid_until is None else valid_until - self._clock())
        self._valid_until = valid_until if valid_until is not None else self._clock() + _UNDATED_SECONDS
        return self._check_address(state.get("Api"))

    def _check_address(self, api: object) -> str:
        """Credentials go to SuperOffice's own hosts and to the operator's login host, nowhere else."""
        if not isinstance(api, str):
            raise build_unexpected("state service", "names no API address")
        try:
            address = parse_api_address(api.strip())
        except ValueError as problem:
            raise build_unexpected("state service", f"names an API address that {problem}") from None
        host, login_url = get_host(address), self._secret.login_url
        own = login_url is not None and host == get_host(login_url)
        if not own and (not is_online(host) or is_loopback(host)):
            raise build_unexpected(
                "state service", f"names an API address outside superoffice.com ({host}), which was not used"
            )
        return address


def _check_running(state: dict[str, object], wait: float | None) -> None:
    named = state.get("State")
    name = named if isinstance(named, str) and named.isalpha() and len(named) <= 40 else "unnamed"
    running = state.get("IsRunning", name in _RUNNING)
    if running is True:
        return
    meaning = f": {_MEANINGS[name]}" if name in _MEANINGS else ""
    raise Deferred(
        "superoffice.unavailable",
        f"The SuperOffice tenant is not running, its state is {name}{meaning}.",
        retry_after=wait if wait is not None and wait > 0 else None,
    )
