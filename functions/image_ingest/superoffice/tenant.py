"""Where the API is: fixed, or Online as the state service says, as tenants move between hosts."""

from __future__ import annotations

import threading
from collections.abc import Callable

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.address import get_host, is_online, parse_api_address
from image_ingest.superoffice.connection import Request
from image_ingest.superoffice.responses import build_unexpected, parse_timestamp, read_service_object
from image_ingest.superoffice.secret import Secret
from image_ingest.superoffice.transport import Calls, Transport
from image_ingest.timing import Timing

_RUNNING = ("Running", "OnlineMaintenance")
_MEANINGS = {
    "Deleted": "it was deleted; point the secret to another tenant",
    "Deleting": "it is being deleted; point the secret to another tenant",
    "Suspended": "it is suspended; ask SuperOffice why",
    "OfflineMaintenance": "it is in maintenance, usually for minutes",
    "MigrationPending": "its migration to Online is not finished, which can take days or weeks",
    "Unknown": "SuperOffice does not say more",
    "Provisioning": "it is being set up",
}


class Tenant:
    """The API's address, kept as long as SuperOffice says that it is valid."""

    def __init__(self, secret: Secret, transport: Transport, timing: Timing, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._transport = transport
        self._timing = timing
        self._clock = clock
        self._lock = threading.Lock()
        self._api: str | None = None
        self._valid_until = 0.0
        self._asked_for: Calls | None = None

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

    def confirm(self, api: str, deadline: Deadline, calls: Calls) -> None:
        """Asks the state service again, unless it was asked for these calls already. Raises as find_api does."""
        if self.moves and self._asked_for is not calls:
            self.forget(api)
            self.find_api(deadline, calls)

    def _look_up(self, deadline: Deadline, calls: Calls) -> str:
        self._asked_for = calls
        name = self._secret.context_identifier or ""
        url = f"{self._secret.login}/api/state/{name}"
        response = self._transport.send(Request("GET", url, {"Accept": "application/json"}), deadline, calls)
        if response.status == 404:
            raise _build_unknown_tenant(name, url)
        state = read_service_object(response, "state service", self._secret.redact, self._clock())
        said_name = state.get("ContextIdentifier")
        if isinstance(said_name, str) and said_name.lower() != name.lower():
            raise build_unexpected("state service", "is about another tenant")
        if state.get("State") == "Unknown" and not state.get("Api"):
            raise _build_unknown_tenant(name, url)
        seconds = (parse_timestamp(state.get("ValidUntil")) or 0.0) - self._clock()
        _check_running(state, min(seconds, self._timing.longest_tenant_pause))
        address = self._check_address(state.get("Api"))
        self._valid_until = self._clock() + (seconds if seconds > 0 else self._timing.undated_address)
        return address

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
        if not own and not is_online(host):
            raise build_unexpected(
                "state service", f"names an API address outside superoffice.com ({host}), which was not used"
            )
        return address


def _build_unknown_tenant(name: str, url: str) -> Deferred:
    return Deferred(
        "credentials.invalid",
        f"SuperOffice knows no tenant {name} at {get_host(url)}: check context_identifier and environment.",
    )


def _check_running(state: dict[str, object], seconds: float) -> None:
    """Raises Deferred `superoffice.unavailable`; `seconds`: after which the state should be requested again."""
    named = state.get("State")
    name = named if isinstance(named, str) and named.isalpha() and len(named) <= 40 else "unnamed"
    running = state.get("IsRunning", name in _RUNNING)
    if running is True:
        return
    meaning = f": {_MEANINGS[name]}" if name in _MEANINGS else ""
    raise Deferred(
        "superoffice.unavailable",
        f"The SuperOffice tenant is not running, its state is {name}{meaning}.",
        retry_after=seconds if seconds > 0 else None,
    )
