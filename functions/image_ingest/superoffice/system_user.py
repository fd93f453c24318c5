"""System user: a signed token buys a JWT, and the validated JWT holds the ticket."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.types import Options

from image_ingest.errors import Deferred
from image_ingest.superoffice.attempt import Attempt
from image_ingest.superoffice.private_key import load_private_key
from image_ingest.superoffice.responses import passed_on, service_document, unexpected
from image_ingest.superoffice.secret_schema import SecretDocument, SystemUser
from image_ingest.superoffice.transport import Request, Transport

_ISSUER = "SuperOffice AS"
_CLAIMS = "http://schemes.superoffice.net/identity/"
_LEEWAY_SECONDS = 60
_CHECKED_HERE: Options = {
    "require": ["exp", "iss", "aud"],
    "verify_aud": False,  # it depends on another claim
    "verify_exp": False,  # by our own clock
    "verify_nbf": False,
    "verify_iat": False,
}
_TICKET = re.compile(r"[\x21-\x7e]+")
_REASONS = {
    "Revoked": "the tenant's administrator withdrew the app's approval",
    "Expired": "the system user token or the app's approval has run out",
    "Denied": "the app is not allowed for this tenant",
    "NeedsReapproval": "the tenant's administrator must approve the app again",
    "InvalidTimestamp": "the clock of this function and SuperOffice's differ",
    "InvalidSignature": "private_key does not belong to the app, or system_user_token is mistyped",
}


class SystemUserLogin:
    """Logs a system user in; keeps the login service's keys."""

    def __init__(
        self, document: SecretDocument, scheme: SystemUser, transport: Transport, clock: Callable[[], float]
    ) -> None:
        self._document = document
        self._scheme = scheme
        self._transport = transport
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None

    def ticket(self, attempt: Attempt) -> str:
        """A new ticket. Raises Deferred `credentials.invalid`, `superoffice.*`."""
        claims = self._validated(self._exchanged(attempt), attempt)
        ticket = claims.get(f"{_CLAIMS}ticket")
        if not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):
            raise unexpected("login service", "holds a token without a ticket")
        return ticket

    def signed_token(self) -> str:
        """The system user token with the minute (UTC) and the partner's signature."""
        minute = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%d%H%M")
        text = f"{self._scheme.system_user_token}.{minute}"
        signature = load_private_key(self._scheme.private_key).sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{base64.b64encode(signature).decode()}"

    def _exchanged(self, attempt: Attempt) -> str:
        body = {
            "SignedSystemToken": self.signed_token(),
            "ApplicationToken": self._scheme.client_secret,
            "ContextIdentifier": self._document.context_identifier,
            "ReturnTokenType": "JWT",
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = f"{self._document.login}/Login/api/PartnerSystemUser/Authenticate"
        answer = self._transport.send(Request("POST", url, headers, json.dumps(body).encode()), attempt)
        result = service_document(answer, "login service", self._document.redact, self._clock())
        if result.get("IsSuccessful") is not True:
            raise self._login_refused(result)
        token = result.get("Token")
        if not isinstance(token, str):
            raise unexpected("login service", "holds no token")
        return token

    def _login_refused(self, result: dict[str, Any]) -> Deferred:
        if "IsSuccessful" not in result:
            return unexpected("login service", "does not say whether the login succeeded")
        said = result.get("ErrorMessage")
        reason = passed_on(said, self._document.redact) if isinstance(said, str) else ""
        meanings = [text for word, text in _REASONS.items() if re.search(rf"\b{word}\b", reason, re.IGNORECASE)]
        meaning = f" ({'; '.join(meanings)})" if meanings else ""
        note = self._clock_note() if _REASONS["InvalidTimestamp"] in meanings else ""
        return Deferred(
            "credentials.invalid", f"SuperOffice refused the system user: {reason or 'no reason given'}{meaning}.{note}"
        )

    def _clock_note(self) -> str:
        return f" The function's clock says {datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%d %H:%M} UTC."

    def _validated(self, token: str, attempt: Attempt) -> dict[str, Any]:
        """The claims, if the token is SuperOffice's own, for this tenant and in date."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = self._verified(token, kid, attempt)
        except jwt.InvalidIssuerError:
            raise _refused(f"was not issued by {_ISSUER}") from None
        except jwt.InvalidTokenError as error:
            raise _refused(f"does not prove to be SuperOffice's ({type(error).__name__})") from None
        self._check_time(claims)
        serial, audience = claims.get(f"{_CLAIMS}serial"), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not isinstance(serial, str | int) or f"spn:{serial}" not in audiences:
            raise _refused("is meant for another audience")
        tenant = claims.get(f"{_CLAIMS}ctx")
        if not isinstance(tenant, str) or tenant.lower() != (self._document.context_identifier or "").lower():
            raise _refused("is for another tenant than context_identifier")
        return claims

    def _check_time(self, claims: dict[str, Any]) -> None:
        """A token is minutes old at most when it arrives, so a date that does not fit means a clock that is off."""
        starts, ends = claims.get("nbf", 0), claims["exp"]
        dated = isinstance(starts, int | float) and isinstance(ends, int | float)
        if not dated or not starts - _LEEWAY_SECONDS <= self._clock() < ends + _LEEWAY_SECONDS:
            raise _refused(f"is not valid now; this function's clock or SuperOffice's is off.{self._clock_note()}")

    def _verified(self, token: str, kid: object, attempt: Attempt) -> dict[str, Any]:
        """Tries the fitting keys; where none of those kept fits, the keys are read anew once."""
        kept = self._keys
        if kept is not None:
            try:
                return _decoded(token, kid, kept)
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                pass
        self._keys = self._read_keys(attempt)
        return _decoded(token, kid, self._keys)

    def _read_keys(self, attempt: Attempt) -> list[jwt.PyJWK]:
        url = f"{self._document.login}/login/.well-known/jwks"
        answer = self._transport.send(Request("GET", url, {"Accept": "application/json"}), attempt)
        listed = service_document(answer, "key service", self._document.redact, self._clock()).get("keys")
        keys = [_rsa_key(entry) for entry in listed] if isinstance(listed, list) else []
        usable = [key for key in keys if key is not None]
        if not usable:
            raise unexpected("key service", "holds no RSA key")
        return usable


def _decoded(token: str, kid: object, keys: list[jwt.PyJWK]) -> dict[str, Any]:
    """The claims of the token, by the key that it names or, where it names none, by any. Raises jwt's errors."""
    for key in keys:
        if kid is not None and key.key_id != kid:
            continue
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                issuer=_ISSUER,
                options=_CHECKED_HERE,
            )
        except jwt.InvalidSignatureError:
            continue
    raise jwt.InvalidSignatureError("no key fits")


def _rsa_key(entry: object) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry, algorithm="RS256")
    except (jwt.PyJWKError, jwt.InvalidKeyError):
        return None


def _refused(what: str) -> Deferred:
    return Deferred("credentials.invalid", f"The token that SuperOffice's login service returned {what.rstrip('.')}.")
