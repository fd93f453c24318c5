"""The login and state services of SuperOffice Online."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Blueprint, Response, jsonify, make_response, request

from sandbox.superoffice.keys import get_rsa_key
from sandbox.superoffice.state import State

_CLAIMS = "http://schemes.superoffice.net/identity/"
_SERIAL = "1234567890"
_X5T = "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"  # a thumbprint that no published key has
_CLOCK_TOLERANCE = timedelta(minutes=5)


def make_login_api(state: State, address: Callable[[], str]) -> Blueprint:
    """The routes; `address` returns this server's URL."""
    api = Blueprint("login_api", __name__)

    @api.get("/api/state/<name>")
    def get_state(name: str) -> Response:
        if name.lower() != state.tenant.name.lower():
            return _describe_unknown(state, name)
        return jsonify(_describe_tenant(state, address()))

    @api.post("/login/api/partnersystemuser/authenticate")
    def authenticate() -> Response:
        content = request.get_json(silent=True) or {}
        reason = state.refuse_logins or _find_refusal(state, content)
        if reason:
            return jsonify({"IsSuccessful": False, "Token": None, "ErrorMessage": reason})
        token = state.forged_token or _make_token(state, address())
        return jsonify({"IsSuccessful": True, "Token": token, "ErrorMessage": None})

    @api.get("/login/.well-known/jwks")
    def get_keys() -> Response:
        return jsonify({"keys": [_publish_key(name) for name in state.published_keys]})

    @api.get("/login/.well-known/openid-configuration")
    def get_configuration() -> Response:
        return jsonify(_describe_login(address()))

    @api.post("/login/common/oauth/tokens")
    def get_tokens() -> Response:
        return _renew_token(state)

    return api


def _describe_login(address: str) -> dict[str, Any]:
    return {
        "issuer": "https://sod.superoffice.com",
        "authorization_endpoint": f"{address}/login/common/oauth/authorize",
        "token_endpoint": f"{address}/login/common/oauth/tokens",
        "jwks_uri": f"{address}/login/.well-known/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def locate_api(state: State, address: str) -> str:
    """The present URL of the tenant's API."""
    return f"{address}/online{state.tenant.host}/{state.tenant.name}/api"


def _describe_tenant(state: State, address: str) -> dict[str, Any]:
    until = datetime.fromtimestamp(state.now() + state.tenant.valid_seconds, UTC)
    api = locate_api(state, address)
    return {
        "ContextIdentifier": state.tenant.name,
        "Endpoint": api.removesuffix("/api"),
        "State": state.tenant.state,
        "IsRunning": state.tenant.running,
        "ValidUntil": f"{until:%Y-%m-%dT%H:%M:%S.%f}5Z",
        "Api": state.tenant.api or api,
        "Version": "11.1.6000.1",
    }


def _describe_unknown(state: State, name: str) -> Response:
    if state.unknown_tenant_status == 404:
        return Response(status=404)
    unknown = {"Endpoint": None, "State": "Unknown", "IsRunning": False, "ValidUntil": "0001-01-01T00:00:00"}
    return jsonify({"ContextIdentifier": name, **unknown, "Api": None, "Version": None})


def _find_refusal(state: State, content: dict[str, Any]) -> str | None:
    """Why a system user's login is refused, in SuperOffice's words."""
    text, _, signature = str(content.get("SignedSystemToken", "")).rpartition(".")
    token, _, minute = text.rpartition(".")
    try:
        get_rsa_key("partner").public_key().verify(base64.b64decode(signature), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        return "InvalidSignature"
    try:
        signed_at = datetime.strptime(minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return "InvalidTimestamp"
    if abs(datetime.fromtimestamp(state.now(), UTC) - signed_at) > _CLOCK_TOLERANCE:
        return "InvalidTimestamp"
    if str(content.get("ContextIdentifier")).lower() != state.tenant.name.lower():
        return "Denied"
    users = state.users
    known = token == users.system_user_token and content.get("ApplicationToken") == users.client_secret
    return None if known else "Denied"


def _make_token(state: State, address: str) -> str:
    """A JWT with a new ticket, as SuperOffice's login service issues it."""
    now = datetime.fromtimestamp(state.now(), UTC)
    claims: dict[str, object] = {
        "iss": "SuperOffice AS",
        "aud": f"spn:{_SERIAL}",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        f"{_CLAIMS}serial": _SERIAL,
        f"{_CLAIMS}ctx": state.tenant.name,
        f"{_CLAIMS}ticket": state.issue_ticket(),
        f"{_CLAIMS}webapi_url": locate_api(state, address),
    }
    claims = {name: value for name, value in (claims | state.claims).items() if value is not None}
    headers = {"kid": state.token_kid} if state.token_kid is not None else {"x5t": _X5T}
    return jwt.encode(claims, get_rsa_key(state.signing_key), "RS256", headers=headers)


def _publish_key(name: str) -> dict[str, Any]:
    key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(get_rsa_key(name).public_key(), as_dict=True)
    return key | {"kid": name, "use": "sig", "alg": "RS256"}


def _renew_token(state: State) -> Response:
    users, form = state.users, request.form
    if state.refuse_logins or form.get("refresh_token") != users.refresh_token:
        return _refuse_token("invalid_grant", state.refuse_logins or "The refresh token is not valid.")
    if (form.get("client_id"), form.get("client_secret")) != (users.client_id, users.client_secret):
        return _refuse_token("invalid_client", "The client is not known.")
    if form.get("redirect_uri") != users.redirect_uri:
        return _refuse_token("invalid_request", "The redirect_uri is not the one that is registered.")
    if form.get("grant_type") != "refresh_token":
        return _refuse_token("unsupported_grant_type", "Only refresh_token is supported here.")
    return jsonify(
        {
            "token_type": "Bearer",
            "access_token": state.issue_access_token(),
            "expires_in": int(state.token_seconds),
            "refresh_token": users.refresh_token,
            "id_token": "",
        }
    )


def _refuse_token(error: str, description: str) -> Response:
    return make_response(jsonify({"error": error, "error_description": description}), 400)
