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

from sandbox.superoffice.keys import private_pem, rsa_key
from sandbox.superoffice.state import World

_CLAIMS = "http://schemes.superoffice.net/identity/"
_SERIAL = "1234567890"
_CLOCK_TOLERANCE = timedelta(minutes=5)


def login_api(world: World, address: Callable[[], str]) -> Blueprint:
    """The routes; `address` is where this server is."""
    api = Blueprint("login_api", __name__)

    @api.get("/api/state/<name>")
    def state(name: str) -> Response:
        if name.lower() != world.tenant.name.lower():
            return Response(status=404)
        return jsonify(_state(world, address()))

    @api.post("/Login/api/PartnerSystemUser/Authenticate")
    def authenticate() -> Response:
        content = request.get_json(silent=True) or {}
        reason = world.refuse_logins or _problem(world, content)
        if reason:
            return jsonify({"IsSuccessful": False, "Token": None, "ErrorMessage": reason})
        token = world.forged_token or _token(world, address())
        return jsonify({"IsSuccessful": True, "Token": token, "ErrorMessage": None})

    @api.get("/login/.well-known/jwks")
    def keys() -> Response:
        return jsonify({"keys": [_public(name) for name in world.published_keys]})

    @api.post("/login/common/oauth/tokens")
    def tokens() -> Response:
        return _tokens(world)

    return api


def api_address(world: World, address: str) -> str:
    """Where the tenant's API is now."""
    return f"{address}/online{world.tenant.host}/{world.tenant.name}/api"


def _state(world: World, address: str) -> dict[str, Any]:
    until = datetime.fromtimestamp(world.now() + world.tenant.valid_seconds, UTC)
    api = api_address(world, address)
    return {
        "ContextIdentifier": world.tenant.name,
        "Endpoint": api.removesuffix("/api"),
        "State": world.tenant.state,
        "IsRunning": world.tenant.running,
        "ValidUntil": f"{until:%Y-%m-%dT%H:%M:%S.%f}5Z",
        "Api": world.tenant.api or api,
    }


def _problem(world: World, content: dict[str, Any]) -> str | None:
    """Why a system user's login is refused, in SuperOffice's words."""
    text, _, signature = str(content.get("SignedSystemToken", "")).rpartition(".")
    token, _, minute = text.rpartition(".")
    try:
        rsa_key("partner").public_key().verify(base64.b64decode(signature), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        return "InvalidSignature"
    try:
        signed_at = datetime.strptime(minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return "InvalidTimestamp"
    if abs(datetime.fromtimestamp(world.now(), UTC) - signed_at) > _CLOCK_TOLERANCE:
        return "InvalidTimestamp"
    if str(content.get("ContextIdentifier")).lower() != world.tenant.name.lower():
        return "Denied"
    users = world.users
    known = token == users.system_user_token and content.get("ApplicationToken") == users.client_secret
    return None if known else "Denied"


def _token(world: World, address: str) -> str:
    """A JWT with a new ticket, as SuperOffice's login service makes them."""
    now = datetime.fromtimestamp(world.now(), UTC)
    claims: dict[str, object] = {
        "iss": "SuperOffice AS",
        "aud": f"spn:{_SERIAL}",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        f"{_CLAIMS}serial": _SERIAL,
        f"{_CLAIMS}ctx": world.tenant.name,
        f"{_CLAIMS}ticket": world.new_ticket(),
        f"{_CLAIMS}webapi_url": api_address(world, address),
    }
    claims = {name: value for name, value in (claims | world.claims).items() if value is not None}
    headers = {"kid": world.token_kid} if world.token_kid else {}
    return jwt.encode(claims, private_pem(rsa_key(world.signing_key)), "RS256", headers=headers)


def _public(name: str) -> dict[str, Any]:
    key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return key | {"kid": name, "use": "sig", "alg": "RS256"}


def _tokens(world: World) -> Response:
    users, form = world.users, request.form
    if world.refuse_logins or form.get("refresh_token") != users.refresh_token:
        return _refused("invalid_grant", world.refuse_logins or "The refresh token is not valid.")
    if (form.get("client_id"), form.get("client_secret")) != (users.client_id, users.client_secret):
        return _refused("invalid_client", "The client is not known.")
    if form.get("grant_type") != "refresh_token":
        return _refused("unsupported_grant_type", "Only refresh_token is supported here.")
    return jsonify(
        {
            "token_type": "Bearer",
            "access_token": world.new_access_token(),
            "expires_in": int(world.token_seconds),
            "refresh_token": users.refresh_token,
            "id_token": "",
        }
    )


def _refused(error: str, description: str) -> Response:
    return make_response(jsonify({"error": error, "error_description": description}), 400)
