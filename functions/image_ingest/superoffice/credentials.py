"""From a secret's scheme to the headers that let a call in."""

from __future__ import annotations

import base64
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from image_ingest.deadline import Deadline
from image_ingest.superoffice.connection import Request
from image_ingest.superoffice.responses import build_unexpected, read_service_object
from image_ingest.superoffice.secret import (
    Basic,
    Bearer,
    RefreshToken,
    Secret,
    Session,
    SystemUser,
    Ticket,
    list_cookie_values,
)
from image_ingest.superoffice.transport import Calls, Transport
from image_ingest.timing import Timing

Clock = Callable[[], float]
_TICKET_SECONDS = 6 * 3600 - 600  # a ticket expires after six hours without use; renewed ten minutes before
_SHORTEST_TOKEN_SECONDS = 1200  # if expires_in is missing: the shortest lifetime that is documented
_HEADER_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Credential:
    """The headers that let a call in; `lasts` seconds from when it was obtained or, if it `slides`, last used."""

    headers: Mapping[str, str] = field(repr=False)
    lasts: float = float("inf")
    slides: bool = False

    def list_confidential(self) -> Iterator[str]:
        """What must not be repeated of the headers: neither the scheme's name nor a cookie's is confidential."""
        for name, value in self.headers.items():
            if name == "Cookie":
                yield from list_cookie_values(value)
            else:
                yield value.partition(" ")[2] if name == "Authorization" else value


Obtain = Callable[[Deadline, Calls], Credential]


class CredentialSource:
    """The current credential of one secret, obtained when needed and by one thread at a time."""

    def __init__(self, obtain: Obtain, timing: Timing, clock: Clock) -> None:
        self._obtain = obtain
        self._timing = timing
        self._clock = clock
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._ends = 0.0
        self._unrenewable: tuple[Credential, float] | None = None

    def get(self, deadline: Deadline, calls: Calls) -> Credential:
        """The valid credential, or a new one. Raises Deferred `credentials.invalid`, `superoffice.*`."""
        with deadline.hold(self._lock):
            if self._credential is None or self._clock() >= self._ends:
                self._credential = None
                credential = self._obtain(deadline, calls)
                self._credential, self._ends = credential, self._clock() + credential.lasts
            return self._credential

    def note_accepted(self, credential: Credential) -> None:
        """SuperOffice accepted it, which renews a sliding one."""
        self._unrenewable = None
        if credential.slides and credential is self._credential:
            self._ends = self._clock() + credential.lasts

    def note_refused(self, credential: Credential) -> None:
        """SuperOffice refused it: the next call gets a new one, unless another thread already has."""
        if credential is self._credential:
            self._ends = 0.0

    def note_renewal_failed(self, credential: Credential) -> None:
        """A fresh credential was refused too, so renewing it again at once would not help."""
        self._unrenewable = (credential, self._clock() + self._timing.renewal_pause)

    def may_renew(self, credential: Credential) -> bool:
        """Whether a fresh credential may be accepted where this one was refused."""
        refused, until = self._unrenewable or (None, 0.0)
        return refused is not credential or self._clock() >= until


def create_credential_source(secret: Secret, transport: Transport, timing: Timing, clock: Clock) -> CredentialSource:
    """The source of the credential that the secret describes."""
    return CredentialSource(_prepare(secret, transport, clock), timing, clock)


def _prepare(secret: Secret, transport: Transport, clock: Clock) -> Obtain:
    scheme = secret.scheme
    if isinstance(scheme, SystemUser):
        return _prepare_system_user(secret, scheme, transport, clock)
    if isinstance(scheme, RefreshToken):
        return _prepare_refresh(secret, scheme, transport, clock)
    return lambda _deadline, _calls: Credential(_build_headers(scheme))


def _build_headers(scheme: Basic | Ticket | Bearer | Session) -> dict[str, str]:
    if isinstance(scheme, Basic):
        pair = f"{scheme.username}:{scheme.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if isinstance(scheme, Ticket):
        return _build_ticket_headers(scheme.ticket, scheme.app_token)
    if isinstance(scheme, Bearer):
        return {"Authorization": f"Bearer {scheme.access_token}"}
    return {"Cookie": scheme.cookie, "X-XSRF-TOKEN": scheme.xsrf_token}


def _build_ticket_headers(ticket: str, app_token: str | None) -> dict[str, str]:
    headers = {"Authorization": f"SOTicket {ticket}"}
    return headers | {"SO-AppToken": app_token} if app_token else headers


def _prepare_system_user(secret: Secret, scheme: SystemUser, transport: Transport, clock: Clock) -> Obtain:
    from image_ingest.superoffice.system_user import SystemUserLogin

    login = SystemUserLogin(secret, scheme, transport, clock)

    def obtain(deadline: Deadline, calls: Calls) -> Credential:
        headers = _build_ticket_headers(login.request_ticket(deadline, calls), scheme.client_secret)
        return Credential(headers, _TICKET_SECONDS, slides=True)

    return obtain


def _prepare_refresh(secret: Secret, scheme: RefreshToken, transport: Transport, clock: Clock) -> Obtain:
    form = {
        "grant_type": "refresh_token",
        "client_id": scheme.client_id,
        "client_secret": scheme.client_secret,
        "refresh_token": scheme.refresh_token,
    }
    if scheme.redirect_uri:
        form["redirect_uri"] = scheme.redirect_uri
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    request = Request("POST", f"{secret.login}/login/common/oauth/tokens", headers, urlencode(form).encode())

    def obtain(deadline: Deadline, calls: Calls) -> Credential:
        response = transport.send(request, deadline, calls)
        return _read_access_token(read_service_object(response, "login service", secret.redact, clock()))

    return obtain


def _read_access_token(tokens: Mapping[str, Any]) -> Credential:
    """An access token, given up shortly before it ends."""
    token, seconds = tokens.get("access_token"), tokens.get("expires_in")
    if not isinstance(token, str) or not _HEADER_TOKEN.fullmatch(token):
        raise build_unexpected("login service", "contains no access token")
    lasts = _read_seconds(seconds) or _SHORTEST_TOKEN_SECONDS
    return Credential({"Authorization": f"Bearer {token}"}, lasts - min(60.0, lasts / 10))


def _read_seconds(value: object) -> float | None:
    """A positive number of seconds, given as a number or as text; None if it is none."""
    if not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < math.inf else None
