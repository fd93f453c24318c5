"""System user: a signed token is exchanged for a JWT, and the validated JWT contains the ticket."""

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

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.connection import Request
from image_ingest.superoffice.responses import build_unexpected, quote_text, read_service_object
from image_ingest.superoffice.secret import Secret, SystemUser
from image_ingest.superoffice.secret.private_key import load_private_key
from image_ingest.superoffice.transport import Calls, Transport

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
REASONS = {
    "Revoked": "the tenant's administrator withdrew the app's approval",
    "Expired": "the system user token or the app's approval has expired",
    "Denied": "the app is not allowed for this tenant",
    "NeedsReapproval": "the tenant's administrator must approve the app again",
    "InvalidTimestamp": "the clock of this function and SuperOffice's differ",
    "InvalidSignature": "private_key does not belong to the app, or system_user_token is mistyped",
}


class SystemUserLogin:
    """Logs a system user in; keeps the login service's keys."""

    def __init__(self, secret: Secret, scheme: SystemUser, transport: Transport, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._scheme = scheme
        self._transport = transport
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None

    def request_ticket(self, deadline: Deadline, calls: Calls) -> str:
        """A new ticket. Raises Deferred `credentials.invalid`, `superoffice.*`."""
        claims = self._validate(self._exchange_token(deadline, calls), deadline, calls)
        ticket = claims.get(f"{_CLAIMS}ticket")
        if not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):
            raise build_unexpected("login service", "contains a token without a ticket")
        return ticket

    def sign_token(self) -> str:
        """The system user token with the minute (UTC) and the partner's signature."""
        minute = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%d%H%M")
        text = f"{self._scheme.system_user_token}.{minute}"
        signature = load_private_key(self._scheme.private_key).sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{base64.b64encode(signature).decode()}"

    def _exchange_token(self, deadline: Deadline, calls: Calls) -> str:
        signed = self.sign_token()
        body = {
            "SignedSystemToken": signed,
            "ApplicationToken": self._scheme.client_secret,
            "ContextIdentifier": self._secret.context_identifier,
            "ReturnTokenType": "JWT",
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = f"{self._secret.login}/Login/api/PartnerSystemUser/Authenticate"
        response = self._transport.send(Request("POST", url, headers, json.dumps(body).encode()), deadline, calls)

        def redact_sent(text: str) -> str:
            return self._secret.redact(text, signed)

        result = read_service_object(response, "login service", redact_sent, self._clock())
        if result.get("IsSuccessful") is not True:
            raise self._build_login_refusal(result, redact_sent)
        token = result.get("Token")
        if not isinstance(token, str):
            raise build_unexpected("login service", "contains no token")
        return token

    def _build_login_refusal(self, result: dict[str, Any], redact_sent: Callable[[str], str]) -> Deferred:
        if "IsSuccessful" not in result:
            return build_unexpected("login service", "does not say whether the login succeeded")
        said = result.get("ErrorMessage")
        reason = quote_text(said, redact_sent) if isinstance(said, str) else ""
        meanings = [text for word, text in REASONS.items() if re.search(rf"\b{word}\b", reason, re.IGNORECASE)]
        meaning = f" ({'; '.join(meanings)})" if meanings else ""
        note = self._describe_clock() if REASONS["InvalidTimestamp"] in meanings else ""
        return Deferred(
            "credentials.invalid", f"SuperOffice refused the system user: {reason or 'no reason given'}{meaning}.{note}"
        )

    def _describe_clock(self) -> str:
        return f" The function's clock says {datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%d %H:%M} UTC."

    def _validate(self, token: str, deadline: Deadline, calls: Calls) -> dict[str, Any]:
        """The claims, if the token is SuperOffice's own, for this tenant and valid now."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = self._verify(token, kid, deadline, calls)
        except jwt.InvalidIssuerError:
            raise _build_refusal(f"was not issued by {_ISSUER}") from None
        except jwt.InvalidTokenError as error:
            raise _build_refusal(f"cannot be verified as SuperOffice's ({type(error).__name__})") from None
        self._check_time(claims)
        serial, audience = claims.get(f"{_CLAIMS}serial"), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not isinstance(serial, str | int) or f"spn:{serial}" not in audiences:
            raise _build_refusal("is meant for another audience")
        tenant = claims.get(f"{_CLAIMS}ctx")
        if not isinstance(tenant, str) or tenant.lower() != (self._secret.context_identifier or "").lower():
            raise _build_refusal("is for another tenant than context_identifier")
        return claims

    def _check_time(self, claims: dict[str, Any]) -> None:
        """A token is minutes old at most when it arrives, so a date that does not fit means a clock that is off."""
        starts, ends = claims.get("nbf", 0), claims["exp"]
        dated = isinstance(starts, int | float) and isinstance(ends, int | float)
        if not dated or not starts - _LEEWAY_SECONDS <= self._clock() < ends + _LEEWAY_SECONDS:
            raise _build_refusal(
                f"is not valid now; this function's clock or SuperOffice's is off.{self._describe_clock()}"
            )

    def _verify(self, token: str, kid: object, deadline: Deadline, calls: Calls) -> dict[str, Any]:
        """Tries the fitting keys; if none of those kept fits, the keys are read again once."""
        kept = self._keys
        if kept is not None:
            try:
                return _decode(token, kid, kept)
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                pass
        self._keys = self._read_keys(deadline, calls)
        return _decode(token, kid, self._keys)

    def _read_keys(self, deadline: Deadline, calls: Calls) -> list[jwt.PyJWK]:
        url = f"{self._secret.login}/login/.well-known/jwks"
        response = self._transport.send(Request("GET", url, {"Accept": "application/json"}), deadline, calls)
        listed = read_service_object(response, "key service", self._secret.redact, self._clock()).get("keys")
        keys = [_parse_rsa_key(entry) for entry in listed] if isinstance(listed, list) else []
        usable = [key for key in keys if key is not None]
        if not usable:
            raise build_unexpected("key service", "contains no RSA key")
        return usable


def _decode(token: str, kid: object, keys: list[jwt.PyJWK]) -> dict[str, Any]:
    """The claims of the token, by the key that it names or, if the set has no such key, by any.

    Raises jwt's errors.
    """
    named = [key for key in keys if key.key_id == kid] if kid is not None else []
    for key in named or keys:
        try:
            return jwt.decode(token, key.key, algorithms=["RS256"], issuer=_ISSUER, options=_CHECKED_HERE)
        except jwt.InvalidSignatureError:
            continue
    raise jwt.InvalidSignatureError("no key fits")


def _parse_rsa_key(entry: object) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry, algorithm="RS256")
    except (jwt.PyJWKError, jwt.InvalidKeyError):
        return None


def _build_refusal(what: str) -> Deferred:
    return Deferred("credentials.invalid", f"The token that SuperOffice's login service returned {what.rstrip('.')}.")
