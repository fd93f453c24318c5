"""TLS is always verified, by the system's authorities and the secret's own; proxies are used, .netrc is not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image_ingest.superoffice.connection import create_tls_context
from sandbox.superoffice import AUTHS, StandIn, get_certificate
from tests.support.superoffice_client import Worker, deferred_by, puts, worker_of
from tests.support.superoffice_sockets import forward_proxy

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(scope="module")
def shared() -> Iterator[StandIn]:
    with StandIn(tls=True) as running:
        yield running


@pytest.fixture
def so(shared: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    shared.state.calls.clear()
    return shared


@pytest.mark.parametrize("auth", AUTHS)
def test_a_private_authority_is_trusted_by_ca_bundle(so: StandIn, auth: str) -> None:
    worker_of(so, auth).put()
    assert puts(so) == 1


@pytest.mark.parametrize("ca_bundle", [None, get_certificate().ca_pem])
def test_verification_is_always_on_and_strict_unless_an_authority_is_given(
    ca_bundle: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_strict_context() -> ssl.SSLContext:
        """As Python 3.13 does."""
        strict = create_default_context()
        strict.verify_flags |= ssl.VERIFY_X509_STRICT
        return strict

    create_default_context = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", create_strict_context)
    context = create_tls_context(ca_bundle)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert bool(context.verify_flags & ssl.VERIFY_X509_STRICT) == (ca_bundle is None)


@pytest.mark.parametrize("variable", [None, *BUNDLE_VARIABLES])
def test_ca_bundle_works_whatever_the_environment_says(
    so: StandIn, variable: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in BUNDLE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        empty = tmp_path / "empty.pem"
        empty.write_text("")
        monkeypatch.setenv(variable, str(empty))
    worker_of(so).put()
    assert puts(so) == 1


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_without_it_nothing_is_sent_whatever_the_environment_says(
    so: StandIn, variable: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if variable:
        bundle = tmp_path / "private.pem"
        bundle.write_text(so.ca_bundle)
        monkeypatch.setenv(variable, str(bundle))
    secret = so.secret("basic")
    del secret["ca_bundle"]
    refused = deferred_by(Worker(secret))
    assert (refused.code, refused.in_doubt, so.calls) == ("superoffice.unavailable", False, [])
    assert "certificate that is not trusted" in refused.message
    assert "ca_bundle" in refused.message


def test_an_authority_of_the_system_is_trusted(so: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "system.pem"
    bundle.write_text(so.ca_bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    secret = so.secret("system_user")
    del secret["ca_bundle"]
    Worker(secret).put()


@pytest.fixture
def everywhere(so: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Every name and port leads to the stand-in."""
    resolve = socket.getaddrinfo

    def here(host: str, port: int, *arguments: Any, **named: Any) -> Any:
        del host, port
        return resolve("127.0.0.1", int(so.url.rpartition(":")[2]), *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    return so


def test_a_certificate_for_another_host_is_refused(everywhere: StandIn) -> None:
    refused = deferred_by(Worker(everywhere.secret("basic") | {"base_url": "https://crm.example.com/SuperOffice/api"}))
    assert (refused.code, refused.in_doubt, everywhere.calls) == ("superoffice.unavailable", False, [])
    assert "crm.example.com" in refused.message


def online(so: StandIn, environment: str, api: str) -> Worker:
    """A worker that knows nothing but the environment and the tenant's name."""
    secret = so.secret("system_user") | {"environment": environment}
    del secret["login_url"]
    so.state.tenant.api = api
    return Worker(secret)


@pytest.mark.parametrize(
    ("environment", "login", "port"),
    [("sod", "sod", ""), ("stage", "qaonline", ":443"), ("online", "online", "")],
)
def test_online_by_environment_alone(everywhere: StandIn, environment: str, login: str, port: str) -> None:
    path = everywhere.api().removeprefix(everywhere.url)
    online(everywhere, environment, f"https://online3.superoffice.com{port}{path}/").put()
    (lookup,) = everywhere.find_calls("GET", "/api/state/")
    assert lookup.headers["Host"] == f"{login}.superoffice.com"
    assert everywhere.find_calls("PUT")[0].headers["Host"] == "online3.superoffice.com"
    everywhere.state.tenant.api = None


@pytest.mark.parametrize("host", ["app", "disasterrecovery", "online12"])
def test_online_the_api_may_be_on_hosts_of_every_name(everywhere: StandIn, host: str) -> None:
    path = everywhere.api().removeprefix(everywhere.url)
    online(everywhere, "online", f"https://{host}.superoffice.com{path}").put()
    assert everywhere.find_calls("PUT")[0].headers["Host"] == f"{host}.superoffice.com"
    everywhere.state.tenant.api = None


def test_online_no_other_host_is_given_a_credential(everywhere: StandIn) -> None:
    refused = deferred_by(online(everywhere, "online", everywhere.api()))  # this machine, but not SuperOffice's
    assert (refused.code, puts(everywhere)) == ("superoffice.unexpected-answer", 0)
    everywhere.state.tenant.api = None


@pytest.mark.parametrize("login", ["", "ingest:pr0xy-5ecret@"])
def test_every_call_goes_through_the_proxy(so: StandIn, login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{login}127.0.0.1:{proxy.port}")
        worker = worker_of(so, "system_user")
        worker.put()
    assert len(so.calls) == 4
    assert set(proxy.tunnels) == {so.url.removeprefix("https://")}
    assert set(proxy.logins) == ({login.rstrip("@")} if login else set())


def test_a_proxy_that_is_down_is_named_without_its_password(so: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ingest:pr0xy-5ecret@127.0.0.1:1")
    refused = deferred_by(worker_of(so))
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", False)
    assert "through the proxy" in refused.message
    assert "pr0xy-5ecret" not in refused.message


def test_hosts_that_no_proxy_names_are_called_directly(so: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    worker_of(so).put()


def test_plain_http_never_leaves_this_machine_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with StandIn() as so:
        worker_of(so).put()


@pytest.mark.parametrize("auth", ["basic", "ticket", "session"])
def test_a_netrc_does_not_replace_the_credential(
    so: StandIn, auth: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    worker_of(so, auth).put()
    assert puts(so) == 1
