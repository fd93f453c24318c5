"""The stand-in as tests and the demo hold it: start it, take a secret, look at the pictures, make bad weather."""

from __future__ import annotations

import time
from bisect import bisect_left
from types import TracebackType
from typing import Any, Self

from flask import Flask
from werkzeug.wrappers import Request, Response

from sandbox.superoffice.faults import Failure
from sandbox.superoffice.image_api import image_api
from sandbox.superoffice.keys import certificate, private_pem, rsa_key
from sandbox.superoffice.login_api import api_address, login_api
from sandbox.superoffice.lookups import Directory, lookups
from sandbox.superoffice.server import Server
from sandbox.superoffice.state import Call, StoredPicture, Users, World

AUTHS = ("system_user", "refresh_token", "ticket", "bearer", "basic", "session")


class StandIn:
    """A SuperOffice of its own on 127.0.0.1, onsite and Online at once.

    with StandIn() as so:
        so.secret("system_user")      # the secret's document (a dict) for this stand-in
        so.picture("person", 123)     # what SuperOffice shows now
    """

    def __init__(self, port: int = 0, *, tls: bool = False) -> None:
        self.world = World()
        self.directory = Directory()
        self._port = port
        self._tls = tls
        self._server: Server | None = None
        app = Flask("superoffice-stand-in")
        app.url_map.merge_slashes = False
        app.register_blueprint(image_api(self.world))
        app.register_blueprint(lookups(self.world, self.directory))
        app.register_blueprint(login_api(self.world, lambda: self.url))
        self._app = app

    # --- running ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Listens; the port stays the same when it is started again."""
        if self._server is None:
            self.world.weather.stopping.clear()
            self._server = Server(self._serve, self._port, certificate().server_context() if self._tls else None)
            self._port = self._server.port
        return self

    def stop(self) -> None:
        """Stops listening, ends calls under way and leaves no thread; what it knows is kept."""
        if self._server is not None:
            self.world.weather.stopping.set()
            self._server.close()
            self._server = None

    up, down = start, stop

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or https with tls=True."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def ca_bundle(self) -> str:
        """The PEM certificate of the private authority that signed the server's certificate (tls=True)."""
        return certificate().ca_pem

    def api(self, *, online: bool = True) -> str:
        """The address that `/v1/…` is appended to, Online or onsite."""
        return api_address(self.world, self.url) if online else f"{self.url}/SuperOffice/api"

    # --- credentials -----------------------------------------------------------------------------------------------

    def secret(self, auth: str = "system_user", *, online: bool | None = None) -> dict[str, Any]:
        """A valid secret document for the scheme; Online (login_url) where the scheme allows it, or as told."""
        with self.world.lock:
            scheme = self._scheme(auth)
        if online is None:
            online = auth not in ("basic", "session")
        where: dict[str, Any] = {} if online else {"base_url": self.api(online=False)}
        if online or auth in ("system_user", "refresh_token"):
            login = {"environment": "sod", "context_identifier": self.world.tenant.name, "login_url": self.url}
            where |= login
        if self._tls:
            where["ca_bundle"] = self.ca_bundle
        return {"auth": auth, **where, **scheme}

    def _scheme(self, auth: str) -> dict[str, str]:
        users = self.world.users
        if auth == "basic":
            return {"username": users.username, "password": users.password}
        if auth == "ticket":
            return {"ticket": self.world.new_ticket(), "app_token": users.client_secret}
        if auth == "bearer":
            return {"access_token": self.world.new_access_token()}
        if auth == "session":
            return {"cookie": users.cookie, "xsrf_token": users.xsrf_token}
        if auth == "refresh_token":
            return {name: getattr(users, name) for name in ("client_id", "client_secret", "refresh_token")}
        if auth == "system_user":
            key = private_pem(rsa_key("partner"))
            return {name: getattr(users, name) for name in ("client_secret", "system_user_token")} | {
                "private_key": key
            }
        raise ValueError(f"auth must be one of {', '.join(AUTHS)}")

    def expire_credentials(self) -> None:
        """Tickets and access tokens given out so far are no longer accepted; logging in again helps."""
        with self.world.lock:
            self.world.users.tickets.clear()
            self.world.users.access_tokens.clear()

    def rotate_credentials(self) -> None:
        """Every credential is replaced; only secrets taken from now on are accepted."""
        with self.world.lock:
            self.world.users = Users()

    def revoke_credentials(self, reason: str = "Revoked") -> None:
        """Nothing given out so far is accepted, and logins are refused with the reason, until restore_credentials."""
        self.expire_credentials()
        with self.world.lock:
            self.world.refuse_logins = reason
            self.world.users.password += "-revoked"
            self.world.users.xsrf_token += "-revoked"

    def restore_credentials(self) -> None:
        """Undoes revoke_credentials; tickets and access tokens stay dead."""
        with self.world.lock:
            self.world.refuse_logins = None
            self.world.users.password = self.world.users.password.removesuffix("-revoked")
            self.world.users.xsrf_token = self.world.users.xsrf_token.removesuffix("-revoked")

    # --- records and pictures --------------------------------------------------------------------------------------

    def add(self, entity: str, entity_id: int) -> None:
        """There is such a record (every id up to world.highest_known_id has one anyway)."""
        self.world.added.add((entity, entity_id))
        self.world.removed.discard((entity, entity_id))

    def remove(self, entity: str, entity_id: int) -> None:
        """There is no such record (any more)."""
        self.world.removed.add((entity, entity_id))

    def pictures(self, entity: str, entity_id: int) -> list[StoredPicture]:
        """Every picture that was ever stored for the record, oldest first."""
        with self.world.lock:
            return list(self.world.pictures.get((entity, entity_id), ()))

    def picture(self, entity: str, entity_id: int) -> StoredPicture | None:
        """The picture that the record has now, or None."""
        return self.world.shown(entity, entity_id)

    # --- who called ------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """Every call that arrived, oldest first, those refused or dropped too."""
        with self.world.lock:
            return list(self.world.calls)

    def called(self, method: str, path: str = "") -> list[Call]:
        """The calls by that method whose path contains `path`, in any case."""
        return [call for call in self.calls if call.method == method and path.lower() in call.path.lower()]

    @property
    def authentications(self) -> int:
        """How often somebody logged in, or tried."""
        return len(self.called("POST", "/Authenticate")) + len(self.called("POST", "/oauth/tokens"))

    @property
    def state_lookups(self) -> int:
        """How often the tenant's state was asked for."""
        return len(self.called("GET", "/api/state/"))

    @property
    def most_calls_in_any_second(self) -> int:
        """Calls of every kind in the busiest second, wherever it begins."""
        times = [call.at for call in self.calls]
        return max((bisect_left(times, at + 1) - i for i, at in enumerate(times)), default=0)

    # --- weather ---------------------------------------------------------------------------------------------------

    def fail(
        self,
        times: int | None = 1,
        *,
        status: int | None = None,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        delay: float = 0,
        drop: bool = False,
        garbage: bytes | None = None,
        path: str = "Image",
        method: str | None = None,
        stores: bool = False,
        holds: bool = False,
        drip: float = 0,
        echoes: bool = False,
    ) -> None:
        """The next `times` calls (None: all) to a path containing `path` are hit.

        status, body, headers: the answer instead of the true one (a body without status is a 200; HTML by default).
        delay: seconds before the answer. drop: the connection is closed without one. garbage: these bytes, then closed.
        stores: the call is carried out all the same, before the delay. holds: it is carried out only at land_held().
        drip: seconds between the bytes of the answer's body. echoes: the error body repeats the credential sent.
        """
        self.world.weather.failures.append(
            Failure(
                times=times,
                status=status,
                body=body,
                headers=headers or {},
                delay=delay,
                drop=drop,
                garbage=garbage,
                path=path,
                method=method,
                stores=stores,
                holds=holds,
                drip=drip,
                echoes=echoes,
            )
        )

    def clear_weather(self) -> None:
        """No more failures; held calls stay held."""
        self.world.weather.failures.clear()

    def land_held(self) -> int:
        """Carries out the calls that were held back, as if they had been long under way; says how many."""
        held, self.world.weather.held = self.world.weather.held, []
        for land in held:
            land()
        return len(held)

    def move_tenant(self) -> None:
        """The tenant moves to the next numbered host; the old one answers 421."""
        self.world.tenant.host += 1

    def maintenance(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
        """The tenant is in OfflineMaintenance, or runs again."""
        self.set_state("OfflineMaintenance" if on else "Running")

    def set_state(self, state: str, valid_seconds: float | None = None) -> None:
        """The tenant's state, such as Suspended, and for how long from now the state service says that it is good."""
        self.world.tenant.state = state
        if valid_seconds is not None:
            self.world.tenant.valid_seconds = valid_seconds

    def rate_limit(self, calls_per_second: int | None = 10) -> None:
        """More calls than this in a second are answered with 429; None: no limit."""
        self.world.calls_per_second = calls_per_second

    def advance(self, seconds: float) -> None:
        """The stand-in's clock goes forward (or back): tickets, tokens and signatures grow old."""
        self.world.clock_offset += seconds

    # --- serving ---------------------------------------------------------------------------------------------------

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        call = Call(time.monotonic(), request.method, request.path, dict(request.headers))
        with self.world.lock:
            call.at = time.monotonic()
            self.world.calls.append(call)
            too_many = self.world.over_limit(call.at)

        def answered(status: str, headers: Any, exc_info: Any = None) -> Any:
            call.status = int(status[:3])
            return start_response(status, headers, exc_info)

        if too_many:
            body = '{"Error": true, "ErrorType": "SoException", "ErrorMessage": "Too many calls."}'
            return Response(body, 429, {"Retry-After": "1"}, content_type="application/json")(environ, answered)
        failure = self.world.weather.due(call.method, call.path)
        if failure is not None:
            return self.world.weather.strike(failure, self._app.wsgi_app, environ, answered)
        return self._app.wsgi_app(environ, answered)
