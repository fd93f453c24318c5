"""The stand-in as tests and the demo use it: start it, get a secret, read its pictures, inject faults."""

from __future__ import annotations

import io
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import islice, takewhile
from types import TracebackType
from typing import Any, ClassVar, Self

from flask import Flask
from PIL import Image
from werkzeug.routing import Map
from werkzeug.wrappers import Request, Response

from sandbox.http_server import Server
from sandbox.superoffice.agents_api import make_agents_api
from sandbox.superoffice.faults import Fault
from sandbox.superoffice.image_api import make_image_api
from sandbox.superoffice.keys import get_certificate, get_private_pem
from sandbox.superoffice.login_api import locate_api, make_login_api
from sandbox.superoffice.lookups import Directory, make_lookups
from sandbox.superoffice.state import Call, State, StoredPicture, Users

AUTHS = ("system_user", "refresh_token", "ticket", "bearer", "basic", "session")


class _Application(Flask):
    """All applications of a process have one map of URLs, as making it is slow; each has its own views."""

    _urls = Map(merge_slashes=False)
    _known: ClassVar[set[tuple[str, str, frozenset[str]]]] = set()

    def __init__(self) -> None:
        super().__init__("superoffice-stand-in", static_folder=None)
        self.url_map = self._urls

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001  # Flask's own signature
        **options: Any,
    ) -> None:
        """Adds the rule if the map does not have it yet, and the view in any case."""
        assert endpoint is not None
        assert view_func is not None
        key = rule, endpoint, frozenset(options.get("methods") or ())
        if key in self._known:
            self.view_functions[endpoint] = view_func
            return
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)
        self._known.add(key)


class StandIn:
    """A SuperOffice on 127.0.0.1, onsite and Online at once.

    with StandIn() as so:
        so.secret("system_user")      # the secret (a dict) for this stand-in
        so.picture("person", 123)     # the picture that SuperOffice has now
    """

    def __init__(self, port: int = 0, *, tls: bool = False) -> None:
        self.state = State()
        self.directory = Directory()
        self._port = port
        self._tls = tls
        self._server: Server | None = None
        app = _Application()
        app.register_blueprint(make_image_api(self.state))
        app.register_blueprint(make_agents_api(self.state))
        app.register_blueprint(make_lookups(self.state, self.directory))
        app.register_blueprint(make_login_api(self.state, lambda: self.url))
        self._app = app

    # --- running ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Listens. A later start uses the same port."""
        if self._server is None:
            self.state.faults.stopping.clear()
            context = get_certificate().make_server_context() if self._tls else None
            self._server = Server(self._serve, self._port, context)
            self._port = self._server.port
        return self

    def stop(self) -> None:
        """Stops listening, ends calls in progress and all threads. The state is kept."""
        if self._server is not None:
            self.state.faults.stopping.set()
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
        return get_certificate().ca_pem

    def api(self, *, online: bool = True) -> str:
        """The address that `/v1/…` is appended to, Online or onsite."""
        return locate_api(self.state, self.url) if online else f"{self.url}/SuperOffice/api"

    # --- credentials -----------------------------------------------------------------------------------------------

    def secret(self, auth: str = "system_user", *, online: bool | None = None) -> dict[str, Any]:
        """A valid secret for the scheme: Online (login_url) if the scheme allows it, unless `online` says otherwise."""
        with self.state.lock:
            credential = self._make_credential(auth)
        if online is None:
            online = auth not in ("basic", "session")
        where: dict[str, Any] = {} if online else {"base_url": self.api(online=False)}
        if online or auth in ("system_user", "refresh_token"):
            login = {"environment": "sod", "context_identifier": self.state.tenant.name, "login_url": self.url}
            where |= login
        if self._tls:
            where["ca_bundle"] = self.ca_bundle
        return {"auth": auth, **where, **credential}

    def _make_credential(self, auth: str) -> dict[str, str]:
        users = self.state.users
        if auth == "basic":
            return {"username": users.username, "password": users.password}
        if auth == "ticket":
            return {"ticket": self.state.issue_ticket(), "app_token": users.client_secret}
        if auth == "bearer":
            return {"access_token": self.state.issue_access_token()}
        if auth == "session":
            return {"cookie": users.cookie, "xsrf_token": users.xsrf_token}
        if auth == "refresh_token":
            names = ("client_id", "client_secret", "refresh_token", "redirect_uri")
            return {name: value for name in names if (value := getattr(users, name))}
        if auth == "system_user":
            key = get_private_pem("partner")
            return {name: getattr(users, name) for name in ("client_secret", "system_user_token")} | {
                "private_key": key
            }
        raise ValueError(f"auth must be one of {', '.join(AUTHS)}")

    def expire_credentials(self) -> None:
        """Tickets and access tokens issued so far are no longer accepted. New logins are."""
        with self.state.lock:
            self.state.users.tickets.clear()
            self.state.users.access_tokens.clear()

    def rotate_credentials(self) -> None:
        """Every credential is replaced. Only secrets obtained from now on are accepted."""
        with self.state.lock:
            self.state.users = Users()

    def revoke_credentials(self, reason: str = "Revoked") -> None:
        """Refuses all credentials issued so far, and logins with the reason, until restore_credentials."""
        self.expire_credentials()
        with self.state.lock:
            self.state.refuse_logins = reason
            self.state.users.password += "-revoked"
            self.state.users.xsrf_token += "-revoked"

    def restore_credentials(self) -> None:
        """Undoes revoke_credentials. Tickets and access tokens stay invalid."""
        with self.state.lock:
            self.state.refuse_logins = None
            self.state.users.password = self.state.users.password.removesuffix("-revoked")
            self.state.users.xsrf_token = self.state.users.xsrf_token.removesuffix("-revoked")

    # --- records and pictures --------------------------------------------------------------------------------------

    def add(self, entity: str, entity_id: int) -> None:
        """The record exists from now on (every id up to state.highest_known_id exists anyway)."""
        self.state.added.add((entity, entity_id))
        self.state.removed.discard((entity, entity_id))

    def remove(self, entity: str, entity_id: int) -> None:
        """The record does not exist (any more)."""
        self.state.removed.add((entity, entity_id))

    def pictures(self, entity: str, entity_id: int) -> list[StoredPicture]:
        """Every picture that was ever stored for the record, oldest first."""
        with self.state.lock:
            return list(self.state.pictures.get((entity, entity_id), ()))

    def picture(self, entity: str, entity_id: int) -> StoredPicture | None:
        """The picture that the record has now, or None."""
        return self.state.get_picture(entity, entity_id)

    def latest_records(self, count: int) -> list[tuple[str, int]]:
        """The records that received a picture most recently, the latest first."""
        with self.state.lock:
            return list(islice(reversed(self.state.pictures), count))

    def count_pictures(self) -> int:
        """How many records have a picture."""
        with self.state.lock:
            return len(self.state.pictures) - len(self.state.deleted_pictures & self.state.pictures.keys())

    def set_picture(self, entity: str, entity_id: int, data: bytes, content_type: str = "image/jpeg") -> int:
        """A person sets the picture in SuperOffice's own client; returns its blob id."""
        with Image.open(io.BytesIO(data)) as picture:
            return self.state.store(entity, entity_id, data, content_type, picture.size)

    def remove_picture(self, entity: str, entity_id: int) -> None:
        """A person removes the picture in SuperOffice's own client."""
        with self.state.lock:
            self.state.deleted_pictures.add((entity, entity_id))

    # --- calls -------------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """Every call that arrived, oldest first, including refused and dropped ones."""
        with self.state.lock:
            return list(self.state.calls)

    def calls_after(self, number: int) -> list[Call]:
        """The calls after the one with that number, oldest first."""
        with self.state.lock:
            newer = list(takewhile(lambda call: call.number > number, reversed(self.state.calls)))
        return newer[::-1]

    def find_calls(self, method: str, path: str = "") -> list[Call]:
        """The calls with that method whose path contains `path`, in any case."""
        return [call for call in self.calls if call.method == method and path.lower() in call.path.lower()]

    @property
    def authentications(self) -> int:
        """The number of logins, successful or not."""
        return len(self.find_calls("POST", "/Authenticate")) + len(self.find_calls("POST", "/oauth/tokens"))

    @property
    def state_lookups(self) -> int:
        """How often the tenant's state was requested."""
        return len(self.find_calls("GET", "/api/state/"))

    @property
    def most_calls_in_any_second(self) -> int:
        """Calls of every kind in the busiest period of one second."""
        times = [call.at for call in self.calls]
        return max((bisect_left(times, at + 1) - i for i, at in enumerate(times)), default=0)

    # --- faults ------------------------------------------------------------------------------------------------------

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
        trickle: float = 0,
        echoes: bool = False,
    ) -> None:
        """The next `times` calls (None: all) to a path containing `path` fail.

        status, body, headers: replace the true response (a body without status is a 200; HTML by default).
        delay: seconds before the response. drop: close the connection without one. garbage: send this, then close.
        stores: the call is carried out nevertheless, before the delay. holds: it is carried out at complete_held().
        trickle: seconds between the bytes of the response's body. echoes: the error body repeats the credential sent.
        """
        self.state.faults.pending.append(
            Fault(
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
                trickle=trickle,
                echoes=echoes,
            )
        )

    def clear_faults(self) -> None:
        """Switches all faults off. Held calls stay held."""
        self.state.faults.pending.clear()

    def complete_held(self) -> int:
        """Carries out the calls that were held back, as if they had been delayed on their way. Returns their number."""
        held, self.state.faults.held = self.state.faults.held, []
        for call in held:
            call()
        return len(held)

    def move_tenant(self) -> None:
        """The tenant moves to the next numbered host. The old one responds with 421."""
        self.state.tenant.host += 1

    def maintenance(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
        """The tenant is in OfflineMaintenance, or runs again."""
        self.set_state("OfflineMaintenance" if on else "Running")

    def set_state(self, state: str, valid_seconds: float | None = None) -> None:
        """The tenant's state, such as Suspended, and how many seconds from now the state service calls it valid."""
        self.state.tenant.state = state
        if valid_seconds is not None:
            self.state.tenant.valid_seconds = valid_seconds

    def rate_limit(self, calls_per_second: int | None = 10) -> None:
        """More calls than this in a second get a 429. None: no limit."""
        self.state.calls_per_second = calls_per_second

    def advance(self, seconds: float) -> None:
        """Moves the stand-in's clock forward (or back), so that tickets, tokens and signatures age."""
        self.state.clock_offset += seconds

    # --- serving ---------------------------------------------------------------------------------------------------

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        environ["PATH_INFO"] = environ["PATH_INFO"].lower()
        call = Call(time.monotonic(), request.method, request.path, dict(request.headers))
        with self.state.lock:
            call.at = time.monotonic()
            self.state.add_call(call)
            too_many = self.state.is_over_limit(call.at)

        def record_status(status: str, headers: Any, exc_info: Any = None) -> Any:
            call.status = int(status[:3])
            return start_response(status, headers, exc_info)

        if too_many:
            body = '{"Error": true, "ErrorType": "SoException", "ErrorMessage": "Too many calls."}'
            return Response(body, 429, {"Retry-After": "1"}, content_type="application/json")(environ, record_status)
        fault = self.state.faults.take(call.method, call.path)
        if fault is not None:
            return self.state.faults.apply(fault, self._app.wsgi_app, environ, record_status)
        return self._app.wsgi_app(environ, record_status)
