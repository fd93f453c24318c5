"""Keeps other web sites out: the page may send files, so only the page itself may ask for anything."""

from __future__ import annotations

from flask import Flask, Response, abort, request

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def guard(app: Flask, port: int) -> None:
    """Refuses with 403 what comes by another host's name, or from another site; sets the headers of every answer."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    origins = {f"http://{host}" for host in hosts}

    @app.before_request
    def refuse_strangers() -> None:
        if request.host not in hosts:  # a name that was rebound to 127.0.0.1
            abort(403, "This page answers to 127.0.0.1 only.")
        changes = request.method not in ("GET", "HEAD")
        if request.headers.get("Origin", None if changes else request.host_url.rstrip("/")) not in origins:
            abort(403, "Only the page itself may do this.")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none") and request.path != "/":  # a link to the page is no harm
            abort(403, "Only the page itself may do this.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
