"""The SuperOffice client: pictures, and any other call, for every kind of installation and credential."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from urllib3.filepost import encode_multipart_formdata

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice.connection import Request, Response
from image_ingest.superoffice.credentials import Credential, create_credential_source
from image_ingest.superoffice.rate_limit import RateLimit, RateLimits
from image_ingest.superoffice.responses import (
    ImageInfo,
    add_error_message,
    read_blob_id,
    read_deletion,
    read_image_info,
)
from image_ingest.superoffice.secret import Secret, SecretSource, SystemUser, parse_secret
from image_ingest.superoffice.tenant import Tenant
from image_ingest.superoffice.transport import Calls, Transport
from image_ingest.target import Target
from image_ingest.timing import Timing

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_REFUSED = (401, 403)
_MISDIRECTED = 421
_SECRET_REFUSED = ("credentials.invalid", "superoffice.unauthorized")
_ADDRESS_DOUBTED = ("superoffice.unavailable", "superoffice.unexpected-answer", "superoffice.misdirected")


class PictureData(Protocol):
    """A picture as it is sent to SuperOffice."""

    @property
    def data(self) -> bytes:
        """The encoded picture."""

    @property
    def content_type(self) -> str:
        """`image/jpeg` or `image/png`."""


@dataclass(frozen=True)
class ApiRequest:
    """A call to SuperOffice's API; `path` is below the API's address, such as `v1/Person/1/ImageInfo`."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


class _Access:
    """Everything that one secret gives: the address and the credential."""

    def __init__(
        self,
        secret: Secret,
        limit: RateLimit,
        timing: Timing,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.secret = secret
        self.transport = Transport(secret.ca_bundle, limit, timing, clock, sleep)
        self.tenant = Tenant(secret, self.transport, timing, clock)
        self.credentials = create_credential_source(secret, self.transport, timing, clock)


@dataclass(frozen=True)
class _Exchange:
    """A final response, and how it was obtained."""

    response: Response
    access: _Access
    api: str
    credential: Credential

    def redact(self, text: str) -> str:
        return self.access.secret.redact(text, *self.credential.list_confidential())


class SuperOffice:
    """SuperOffice CRM, by the secret's credential; everything that stays valid is kept between uploads.

    Every call raises Deferred `superoffice.*`, `credentials.invalid`, `aws.*`, `worker.out-of-time`.
    """

    def __init__(
        self,
        settings: SuperOfficeSettings,
        secret: SecretSource,
        *,
        limits: RateLimits | None = None,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        self._settings = settings
        self._source = secret
        self._limits = limits or RateLimits(settings, timing=timing, clock=clock)
        self._timing = timing
        self._clock = clock
        self._sleep = sleep
        self._warn = warn
        self._lock = threading.Lock()
        self._text: str | None = None
        self._access: _Access | None = None

    def secret(self, deadline: Deadline) -> Secret:
        """The secret as it is now. Raises Deferred `credentials.invalid`, `aws.denied`, `aws.unavailable`."""
        return self._open(deadline).secret

    def tenant(self, deadline: Deadline) -> str:
        """The tenant that pictures go to now, by the secret alone.

        Raises Deferred `credentials.invalid`, `aws.denied`, `aws.unavailable`.
        """
        return self.secret(deadline).tenant

    def find_api(self, deadline: Deadline, calls: Calls) -> str:
        """The API's address; Online the tenant's state is requested, and the tenant must be running."""
        return self._open(deadline).tenant.find_api(deadline, calls)

    def put_image(self, target: Target, picture: PictureData, deadline: Deadline, calls: Calls) -> int:
        """The blob id under which SuperOffice stored the picture. Also raises Rejected `superoffice.*`."""
        body, content_type = picture.data, picture.content_type
        if self._settings.upload_encoding == "multipart":
            name = f"image.{content_type.removeprefix('image/')}"
            body, content_type = encode_multipart_formdata({"image": (name, body, content_type)})
        headers = {"Content-Type": content_type} | self._list_headers()
        request = ApiRequest("PUT", f"{_build_path(target)}/Image", headers, body)
        return self._ask(request, deadline, calls, read_blob_id)

    def delete_image(self, target: Target, deadline: Deadline, calls: Calls) -> bool:
        """Deletes the record's picture; False if there was none. Also raises Rejected `superoffice.*`."""
        request = ApiRequest("DELETE", f"{_build_path(target)}/Image", self._list_headers())
        return self._ask(request, deadline, calls, read_deletion)

    def image_info(self, target: Target, deadline: Deadline, calls: Calls) -> ImageInfo | None:
        """The picture that the record shows; None without a picture or a record.

        Also raises Rejected `superoffice.*`.
        """
        request = ApiRequest("GET", f"{_build_path(target)}/ImageInfo")
        return self._ask(request, deadline, calls, read_image_info)

    def call(self, request: ApiRequest, deadline: Deadline, calls: Calls) -> Response:
        """The final response, whatever its status, once a refused credential was renewed and a moved tenant found."""
        return self._ask(request, deadline, calls, _keep)

    def _ask(self, request: ApiRequest, deadline: Deadline, calls: Calls, read: Callable[..., _T]) -> _T:
        """What `read` finds in the final response; a failure is noted for the calls that follow."""
        exchange = None
        try:
            exchange = self._exchange(request, deadline, calls)
            system_user = isinstance(exchange.access.secret.scheme, SystemUser)
            response = add_error_message(exchange.response, exchange.redact)
            return read(response, system_user=system_user, now=self._clock())
        except Deferred as deferred:
            if deferred.code in _SECRET_REFUSED:
                self._source.forget()
            if exchange is not None and deferred.code in _ADDRESS_DOUBTED:
                exchange.access.tenant.forget(exchange.api)
            deferred.in_doubt |= calls.in_doubt
            raise

    def _exchange(self, request: ApiRequest, deadline: Deadline, calls: Calls) -> _Exchange:
        access = self._open(deadline)
        renewed = relocated = False
        while True:
            api = access.tenant.find_api(deadline, calls)
            credential = _log_in(access, api, deadline, calls)
            response = _send(access, api, _complete(request, api, credential), deadline, calls)
            if response.status in _REFUSED and not renewed and access.credentials.may_renew(credential):
                renewed = True
                access = self._renew(access, credential, deadline)
            elif response.status == _MISDIRECTED and not relocated and access.tenant.moves:
                relocated = True
                access.tenant.forget(api)
            else:
                _note_final(response, access, credential, renewed=renewed)
                return _Exchange(response, access, api, credential)

    def _open(self, deadline: Deadline) -> _Access:
        """The access that the secret gives; a new one only if the secret's text has changed."""
        with deadline.hold(self._lock):
            text = self._source.read_text()
            if self._access is None or text != self._text:
                self._access = self._create_access(text)
                self._text = text
            return self._access

    def _create_access(self, text: str) -> _Access:
        try:
            parsed = parse_secret(text)
        except Deferred:
            self._source.forget()
            raise
        for warning in parsed.warnings:
            self._warn(warning)
        limit = self._limits.find(parsed.secret.tenant)
        return _Access(parsed.secret, limit, self._timing, self._clock, self._sleep)

    def _renew(self, refused: _Access, credential: Credential, deadline: Deadline) -> _Access:
        """An access with a fresh credential, by the secret as it is now."""
        if self._access is refused:
            self._source.forget()
        access = self._open(deadline)
        if access.secret.tenant != refused.secret.tenant:
            raise Deferred(
                "superoffice.unauthorized", "The secret now names another tenant; the next attempt uses that one."
            )
        if access is refused:
            access.credentials.note_refused(credential)
        return access

    def _list_headers(self) -> dict[str, str]:
        """The headers that the settings ask for."""
        headers = {
            "Accept": self._settings.accept,
            "Accept-Language": self._settings.accept_language,
            "SO-Language": self._settings.language,
            "SO-Culture": self._settings.culture,
            "SO-TimeZone": self._settings.time_zone,
        }
        return {name: value for name, value in headers.items() if value is not None}


def _keep(response: Response, **_context: object) -> Response:
    return response


def _build_path(target: Target) -> str:
    return f"v1/{target.entity_type.capitalize()}/{target.entity_id}"


def _complete(request: ApiRequest, api: str, credential: Credential) -> Request:
    url = f"{api}/{request.path}" if request.path else api
    headers = {"Accept": "application/json", **request.headers, **credential.headers}
    return Request(request.method, url, headers, request.body)


def _log_in(access: _Access, api: str, deadline: Deadline, calls: Calls) -> Credential:
    """The credential; if the login is refused because the tenant has stopped, it fails as a stopped tenant does."""
    try:
        return access.credentials.get(deadline, calls)
    except Deferred as refused:
        if refused.code == "credentials.invalid":
            access.tenant.confirm(api, deadline, calls)
        raise


def _send(access: _Access, api: str, request: Request, deadline: Deadline, calls: Calls) -> Response:
    try:
        return access.transport.send(request, deadline, calls)
    except Deferred as deferred:
        if deferred.code == "superoffice.unavailable" and deferred.retry_after is None:  # else no call was made
            access.tenant.forget(api)
        raise


def _note_final(response: Response, access: _Access, credential: Credential, *, renewed: bool) -> None:
    if response.status not in _REFUSED:
        access.credentials.note_accepted(credential)
    elif renewed:
        access.credentials.note_renewal_failed(credential)
