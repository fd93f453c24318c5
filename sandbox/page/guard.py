"""Refuses requests from other web sites: the page can send files, so only the page itself may use its addresses."""

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


def protect_app(app: Flask, port: int) -> None:
    """Refuses requests with another host name or from another site with 403; sets the headers of every response."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    origins = {f"http://{host}" for host in hosts}

    @app.before_request
    def refuse_others() -> None:
        if request.host not in hosts:  # DNS rebinding
            abort(403, "Use the address 127.0.0.1.")
        changes = request.method not in ("GET", "HEAD")
        if request.headers.get("Origin", None if changes else request.host_url.rstrip("/")) not in origins:
            abort(403, "Only the page itself may do this.")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none") and request.path != "/":  # links to the page are harmless
            abort(403, "Only the page itself may do this.")

    @app.after_request
    def set_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
