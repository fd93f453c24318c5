"""From a secret's scheme to the headers that let a call in."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from image_ingest.superoffice.attempt import Attempt, holding
from image_ingest.superoffice.responses import service_document, unexpected
from image_ingest.superoffice.secret_schema import (
    SHORTEST_REDACTED,
    Basic,
    Bearer,
    RefreshToken,
    SecretDocument,
    Session,
    SystemUser,
    Ticket,
)
from image_ingest.superoffice.transport import Request, Transport

Clock = Callable[[], float]
_TICKET_SECONDS = 6 * 3600 - 600  # a ticket dies after six hours without use; renewed ten minutes before
_SHORTEST_TOKEN_SECONDS = 1200  # where expires_in is missing, the shortest lifetime that is documented
_HELD_OFF_SECONDS = 60  # a credential that was just renewed in vain is not renewed again at once
_HEADER_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Grant:
    """A credential as headers; `lasts` seconds from when it was obtained or, where `slides`, last used."""

    headers: Mapping[str, str] = field(repr=False)
    lasts: float = float("inf")
    slides: bool = False

    def redact(self, text: str) -> str:
        """The text without the credential, should SuperOffice have echoed it."""
        for value in self.headers.values():
            token = value.rpartition(" ")[2]
            text = text.replace(token, "***") if len(token) >= SHORTEST_REDACTED else text
        return text


class Credential:
    """The current grant of one secret document, obtained when needed and by one thread at a time."""

    def __init__(self, obtain: Callable[[Attempt], Grant], clock: Clock = time.time) -> None:
        self._obtain = obtain
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._ends = 0.0
        self._vain: tuple[Grant, float] | None = None

    def grant(self, attempt: Attempt) -> Grant:
        """The grant in force, or a new one. Raises Deferred `credentials.invalid`, `superoffice.*`."""
        with holding(self._lock, attempt.deadline):
            if self._grant is None or self._clock() >= self._ends:
                self._grant = None
                grant = self._obtain(attempt)
                self._grant, self._ends = grant, self._clock() + grant.lasts
            return self._grant

    def accepted(self, grant: Grant) -> None:
        """SuperOffice took it, which renews a sliding one."""
        self._vain = None
        if grant.slides and grant is self._grant:
            self._ends = self._clock() + grant.lasts

    def refused(self, grant: Grant) -> None:
        """SuperOffice did not take it: the next call gets a new one, unless another thread already has."""
        if grant is self._grant:
            self._ends = 0.0

    def renewed_in_vain(self, grant: Grant) -> None:
        """Not even a fresh grant was taken, so that renewing it at once is pointless."""
        self._vain = (grant, self._clock() + _HELD_OFF_SECONDS)

    def worth_renewing(self, grant: Grant) -> bool:
        """Whether a fresh grant may be taken where this one was not."""
        return self._vain is None or self._vain[0] is not grant or self._clock() >= self._vain[1]


def credential_for(document: SecretDocument, transport: Transport, clock: Clock = time.time) -> Credential:
    """The credential that the document describes."""
    scheme = document.scheme
    if isinstance(scheme, SystemUser):
        return Credential(_system_user(document, scheme, transport, clock), clock)
    if isinstance(scheme, RefreshToken):
        return Credential(lambda attempt: _refreshed(document, scheme, transport, clock, attempt), clock)
    return Credential(lambda _attempt: Grant(_given(scheme)), clock)


def _given(scheme: Basic | Ticket | Bearer | Session) -> dict[str, str]:
    if isinstance(scheme, Basic):
        pair = f"{scheme.username}:{scheme.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if isinstance(scheme, Ticket):
        return _ticket_headers(scheme.ticket, scheme.app_token)
    if isinstance(scheme, Bearer):
        return {"Authorization": f"Bearer {scheme.access_token}"}
    return {"Cookie": scheme.cookie, "X-XSRF-TOKEN": scheme.xsrf_token}


def _ticket_headers(ticket: str, app_token: str | None) -> dict[str, str]:
    headers = {"Authorization": f"SOTicket {ticket}"}
    return headers | {"SO-AppToken": app_token} if app_token else headers


def _system_user(
    document: SecretDocument, scheme: SystemUser, transport: Transport, clock: Clock
) -> Callable[[Attempt], Grant]:
    from image_ingest.superoffice.system_user import SystemUserLogin

    login = SystemUserLogin(document, scheme, transport, clock)

    def obtain(attempt: Attempt) -> Grant:
        headers = _ticket_headers(login.ticket(attempt), scheme.client_secret)
        return Grant(headers, _TICKET_SECONDS, slides=True)

    return obtain


def _refreshed(
    document: SecretDocument, scheme: RefreshToken, transport: Transport, clock: Clock, attempt: Attempt
) -> Grant:
    """An access token for the refresh token, given up shortly before it ends."""
    form = {
        "grant_type": "refresh_token",
        "client_id": scheme.client_id,
        "client_secret": scheme.client_secret,
        "refresh_token": scheme.refresh_token,
    }
    if scheme.redirect_uri:
        form["redirect_uri"] = scheme.redirect_uri
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    url = f"{document.login}/login/common/oauth/tokens"
    answer = transport.send(Request("POST", url, headers, urlencode(form).encode()), attempt)
    tokens = service_document(answer, "login service", document.redact, clock())
    token, seconds = tokens.get("access_token"), tokens.get("expires_in")
    if not isinstance(token, str) or not _HEADER_TOKEN.fullmatch(token):
        raise unexpected("login service", "holds no access token")
    lasts = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _SHORTEST_TOKEN_SECONDS
    return Grant({"Authorization": f"Bearer {token}"}, lasts - min(60.0, lasts / 10))
