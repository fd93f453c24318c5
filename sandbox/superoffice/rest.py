"""What every endpoint of the REST API has in common: its two addresses, its credential, JSON or XML."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from flask import Blueprint, Request, Response, request

from sandbox.superoffice.state import State

_XML_TYPES = ("application/xml", "text/xml")
_ONSITE = "/superoffice/api"
_ONLINE = "/online<int:host>/<tenant>/api"


Content = Mapping[str, Any] | list[dict[str, Any]] | str | int | None


def add_route(api: Blueprint, state: State, path: str, view: Any, methods: Sequence[str]) -> None:
    """Serves `view(state, **path arguments)` under the onsite and the Online address, for valid credentials only.

    Paths are not case-sensitive: the stand-in turns them into lower case before it looks for a route.
    """
    for base, online in ((_ONSITE, False), (_ONLINE, True)):
        api.add_url_rule(
            base + path.lower(),
            f"{'online' if online else 'onsite'}_{view.__name__}",
            _require_credential(state, view, online=online),
            methods=methods,
            strict_slashes=False,
        )


def make_document(content: Content, status: int = 200) -> Response:
    """The content as JSON or XML, whichever the call accepts."""
    wanted = _read_accept()
    text = f'<?xml version="1.0" encoding="utf-8"?>{_to_xml(content)}' if wanted in _XML_TYPES else json.dumps(content)
    return Response(text, status, content_type=f"{wanted}; charset=utf-8")


def make_error(status: int, kind: str, message: str) -> Response:
    """SuperOffice's error body."""
    return make_document(
        {"Error": True, "ErrorType": kind, "ErrorMessage": message, "ErrorSource": "SuperOffice stand-in"}, status
    )


def _require_credential(state: State, view: Any, *, online: bool) -> Any:
    def respond(host: int = 0, tenant: str = "", **arguments: Any) -> Response:
        if online and tenant.lower() != state.tenant.name.lower():
            return make_error(404, "SoNotFoundException", "There is no such tenant here.")
        if online and host != state.tenant.host:
            return Response("Misdirected Request", 421, content_type="text/plain")
        if online and not state.tenant.running:
            return Response("<h1>The tenant is in maintenance</h1>", 503, content_type="text/html")
        if not _is_accepted(state, request, online=online):
            return make_error(state.refusal_status, "SoSessionException", "Authentication failed.")
        return view(state, **arguments)  # type: ignore[no-any-return]  # views return Response

    return respond


def _is_accepted(state: State, call: Request, *, online: bool) -> bool:
    users = state.users
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        pair = base64.b64encode(f"{users.username}:{users.password}".encode()).decode()
        return not online and _is_same(value, pair)
    if scheme.lower() == "soticket":
        app_token = call.headers.get("SO-AppToken", "")
        return (not online or _is_same(app_token, users.client_secret)) and state.use_ticket(value)
    if scheme.lower() == "bearer":
        return users.access_tokens.get(value, 0.0) > state.now()
    xsrf = call.headers.get("X-XSRF-TOKEN", "")
    return not online and _is_same(xsrf, users.xsrf_token) and _is_same(call.headers.get("Cookie", ""), users.cookie)


def _is_same(given: str, true: str) -> bool:
    return hmac.compare_digest(given.encode(), true.encode())


def _read_accept() -> str:
    accepted = request.headers.get("Accept", "").split(";")[0].strip().lower()
    return accepted if accepted in ("text/json", *_XML_TYPES) else "application/json"


def _to_xml(content: Content) -> str:
    if isinstance(content, int):
        return f'<int xmlns="http://schemas.microsoft.com/2003/10/Serialization/">{content}</int>'
    if not isinstance(content, Mapping):
        return f"<Result>{escape(json.dumps(content))}</Result>"
    return "<Result>" + "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in content.items()) + "</Result>"
