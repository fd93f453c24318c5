"""The SuperOffice client: puts a picture on a record, whatever the installation and the day's weather."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from urllib3.filepost import encode_multipart_formdata

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice.attempt import Attempt, Calls, holding
from image_ingest.superoffice.credentials import Grant, credential_for
from image_ingest.superoffice.pacing import Pacer
from image_ingest.superoffice.responses import blob_id
from image_ingest.superoffice.secret_schema import SecretDocument, SystemUser, parse
from image_ingest.superoffice.secret_source import SecretSource
from image_ingest.superoffice.tenant import Tenant
from image_ingest.superoffice.transport import Answer, Request, Transport
from image_ingest.target import Target

_REFUSED = (401, 403)
_MISDIRECTED = 421
_SECRET_REFUSED = ("credentials.invalid", "superoffice.unauthorized")
_ADDRESS_DOUBTED = ("superoffice.unavailable", "superoffice.unexpected-answer", "superoffice.misdirected")


class Picture(Protocol):
    """A picture as it goes to SuperOffice."""

    @property
    def data(self) -> bytes:
        """The encoded picture."""

    @property
    def content_type(self) -> str:
        """`image/jpeg` or `image/png`."""


class _Access:
    """All that one secret document gives: the way there and the way in."""

    def __init__(
        self, document: SecretDocument, pacer: Pacer, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self.document = document
        self.transport = Transport(document.ca_bundle, pacer, sleep)
        self.tenant = Tenant(document, self.transport, clock)
        self.credential = credential_for(document, self.transport, clock)


class SuperOffice:
    """SuperOffice CRM, by the secret's credential; everything that stays good is kept between uploads."""

    def __init__(
        self,
        settings: SuperOfficeSettings,
        secret: SecretSource,
        *,
        pacer: Pacer | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._pacer = pacer or Pacer(settings.calls_per_second, settings.workers)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._text: str | None = None
        self._access: _Access | None = None

    def tenant(self, deadline: Deadline) -> str:
        """The tenant that pictures go to now, by the secret alone.

        Raises Deferred `credentials.invalid`, `aws.denied`, `aws.unavailable`.
        """
        return self._current(deadline).document.tenant

    def put_image(self, target: Target, picture: Picture, deadline: Deadline, calls: Calls) -> int:
        """The blob id under which SuperOffice stored the picture.

        Raises Rejected `superoffice.*`; Deferred `superoffice.*`, `credentials.invalid`, `aws.*`, `worker.out-of-time`.
        """
        attempt = Attempt(deadline, calls)
        try:
            return self._put(target, picture, attempt)
        except Deferred as deferred:
            if deferred.code in _SECRET_REFUSED:
                self._secret.forget()
            deferred.outcome_unknown |= attempt.outcome_unknown
            raise
        finally:
            calls.put_unanswered |= attempt.outcome_unknown

    def _put(self, target: Target, picture: Picture, attempt: Attempt) -> int:
        access = self._current(attempt.deadline)
        renewed = relocated = False
        while True:
            grant = access.credential.grant(attempt)
            api = access.tenant.api(attempt)
            answer = self._sent(access, api, self._request(api, grant, target, picture), attempt)
            if answer.status in _REFUSED and not renewed and access.credential.worth_renewing(grant):
                renewed = True
                access = self._renewed(access, grant, attempt.deadline)
            elif answer.status == _MISDIRECTED and not relocated and access.tenant.moves:
                relocated = True
                access.tenant.forget(api)
            else:
                return self._settled(answer, access, api, grant, renewed=renewed)

    def _sent(self, access: _Access, api: str, request: Request, attempt: Attempt) -> Answer:
        try:
            return access.transport.send(request, attempt)
        except Deferred:
            access.tenant.forget(api)
            raise

    def _settled(self, answer: Answer, access: _Access, api: str, grant: Grant, *, renewed: bool) -> int:
        if answer.status not in _REFUSED:
            access.credential.accepted(grant)
        elif renewed:
            access.credential.renewed_in_vain(grant)
        system_user = isinstance(access.document.scheme, SystemUser)
        try:
            return blob_id(
                answer,
                system_user=system_user,
                redact=lambda text: grant.redact(access.document.redact(text)),
                now=self._clock(),
            )
        except Deferred as deferred:
            if deferred.code in _ADDRESS_DOUBTED:
                access.tenant.forget(api)
            raise

    def _current(self, deadline: Deadline) -> _Access:
        """The access that the secret gives; built anew only when its text has changed."""
        with holding(self._lock, deadline):
            text = self._secret.current()
            if self._access is None or text != self._text:
                self._access = self._opened(text)
                self._text = text
            return self._access

    def _opened(self, text: str) -> _Access:
        try:
            return _Access(parse(text), self._pacer, self._clock, self._sleep)
        except Deferred:
            self._secret.forget()
            raise

    def _renewed(self, refused: _Access, grant: Grant, deadline: Deadline) -> _Access:
        """An access with a fresh credential, by the secret as it is now."""
        if self._access is refused:
            self._secret.forget()
        access = self._current(deadline)
        if access.document.tenant != refused.document.tenant:
            raise Deferred(
                "superoffice.unauthorized", "The secret now names another tenant; the next attempt goes there."
            )
        if access is refused:
            access.credential.refused(grant)
        return access

    def _request(self, api: str, grant: Grant, target: Target, picture: Picture) -> Request:
        body, content_type = picture.data, picture.content_type
        if self._settings.upload_encoding == "multipart":
            name = f"image.{content_type.removeprefix('image/')}"
            body, content_type = encode_multipart_formdata({"image": (name, body, content_type)})
        headers = {
            "Content-Type": content_type,
            "Accept": self._settings.accept,
            "Accept-Language": self._settings.accept_language,
            "SO-Language": self._settings.language,
            "SO-Culture": self._settings.culture,
            "SO-TimeZone": self._settings.time_zone,
        }
        given = {name: value for name, value in headers.items() if value is not None}
        url = f"{api}/v1/{target.entity_type.capitalize()}/{target.entity_id}/Image"
        return Request("PUT", url, given | dict(grant.headers), body)
