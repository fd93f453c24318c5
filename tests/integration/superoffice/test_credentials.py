"""Credentials are kept while they are valid, renewed once when refused, and never shown."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from image_ingest.deadline import Deadline
from image_ingest.errors import IngestError, Rejected
from image_ingest.target import Target
from sandbox.superoffice import AUTHS, StandIn
from tests.support.stack import MotoStack, photo
from tests.support.superoffice_client import (
    Worker,
    deferred_by,
    puts,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)

ERROR = '{"Error": true, "ErrorType": "SoException", "ErrorMessage": "You may not.", "ErrorSource": "x"}'
JSON = {"Content-Type": "application/json"}
LOGGING_IN = ("system_user", "refresh_token")


@pytest.mark.parametrize("auth", LOGGING_IN)
def test_ten_uploads_make_one_authentication_one_lookup_and_ten_puts(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    for _ in range(10):
        worker.put()
    assert (so.authentications, so.state_lookups, puts(so), worker.secrets.reads) == (1, 1, 10, 1)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("auth", LOGGING_IN)
def test_a_refused_credential_is_renewed_once(so: StandIn, auth: str, status: int) -> None:
    worker = worker_of(so, auth)
    worker.put()
    so.state.refusal_status = status
    so.expire_credentials()
    worker.put()
    assert (so.authentications, puts(so), worker.secrets.reads) == (2, 3, 2)
    worker.put()
    assert so.authentications == 2


@pytest.mark.parametrize("auth", AUTHS)
def test_a_temporary_refusal_is_solved_by_one_retry_under_every_scheme(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    so.fail(status=401)
    worker.put()
    assert puts(so) == 2


@pytest.mark.parametrize("auth", AUTHS)
def test_a_rotated_secret_is_read_again(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    worker.put()
    so.rotate_credentials()
    worker.secrets.content = so.secret(auth)
    worker.put()
    assert puts(so) == 3


@pytest.mark.parametrize("auth", ["basic", "session", "ticket", "bearer"])
def test_a_credential_that_stays_refused_is_unauthorized_and_its_secret_not_kept(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    worker.put()
    so.revoke_credentials()
    refused = deferred_by(worker)
    assert (refused.code, refused.in_doubt) == ("superoffice.unauthorized", False)
    so.restore_credentials()
    worker.secrets.content = so.secret(auth)
    worker.put()


@pytest.mark.parametrize("auth", LOGGING_IN)
def test_a_refused_login_is_an_invalid_credential_and_asked_again(so: StandIn, auth: str) -> None:
    so.revoke_credentials("Revoked")
    worker = worker_of(so, auth)
    refused = deferred_by(worker)
    assert refused.code == "credentials.invalid"
    assert "Revoked" in refused.message
    assert puts(so) == 0
    so.restore_credentials()
    worker.put()
    assert worker.secrets.reads == 2


def test_a_system_user_that_stays_refused_is_unauthorized_never_forbidden(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    for status in (401, 403):
        so.fail(times=2, status=status, body=ERROR, headers=JSON)
        assert deferred_by(worker).code == "superoffice.unauthorized"
        worker.put()


@pytest.mark.parametrize("auth", [auth for auth in AUTHS if auth != "system_user"])
def test_a_user_without_permission_is_forbidden_after_one_renewal(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    so.fail(times=2, status=403, body=ERROR, headers=JSON)
    with pytest.raises(Rejected, match="You may not") as caught:
        worker.put()
    assert caught.value.code == "superoffice.forbidden"
    assert puts(so) == 2


def test_a_403_in_html_is_a_firewalls_and_is_retried(so: StandIn) -> None:
    so.fail(times=None, status=403, body="<html>Request blocked</html>")
    assert deferred_by(worker_of(so, "refresh_token")).code == "superoffice.unexpected-answer"


def test_a_failed_renewal_is_not_repeated_for_every_upload(so: StandIn) -> None:
    worker = worker_of(so, "refresh_token")
    so.fail(times=None, status=403, body=ERROR, headers=JSON)
    for number in range(1, 11):
        with pytest.raises(Rejected):
            worker.put(Target("person", number))
    assert so.authentications == 2
    assert puts(so) == 11
    worker.clock.offset += 61
    with pytest.raises(Rejected):
        worker.put()
    assert so.authentications == 3


def test_a_credential_that_was_accepted_since_is_renewed_again(so: StandIn) -> None:
    worker = worker_of(so, "refresh_token")
    so.fail(times=2, status=403, body=ERROR, headers=JSON)
    with pytest.raises(Rejected):
        worker.put()
    worker.put()
    so.expire_credentials()
    worker.put()
    assert so.authentications == 3


def test_a_ticket_is_valid_for_six_hours_after_its_last_use(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    worker.put()
    for _ in range(4):
        pass_time(so, worker, hours=5)
        worker.put()
    assert so.authentications == 1
    pass_time(so, worker, hours=6)
    worker.put()
    assert so.authentications == 2
    assert [call.status for call in so.find_calls("PUT")] == [200] * 6


def test_an_access_token_is_renewed_shortly_before_it_ends(so: StandIn) -> None:
    so.state.token_seconds = 1200
    worker = worker_of(so, "refresh_token")
    worker.put()
    pass_time(so, worker, hours=1000 / 3600)
    worker.put()
    assert so.authentications == 1
    pass_time(so, worker, hours=150 / 3600)
    worker.put()
    assert so.authentications == 2
    assert [call.status for call in so.find_calls("PUT")] == [200] * 3


def pass_time(so: StandIn, worker: Worker, hours: float) -> None:
    so.advance(hours * 3600)
    worker.clock.offset += hours * 3600


@pytest.mark.parametrize("auth", LOGGING_IN)
def test_threads_never_renew_at_the_same_time(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    in_threads(worker.put, 6)
    assert (so.authentications, so.state_lookups) == (1, 1)
    so.expire_credentials()
    in_threads(worker.put, 6)
    assert so.authentications == 2
    assert len([call for call in so.find_calls("PUT") if call.status == 200]) == 12


def in_threads(work: Callable[[], Any], number: int) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except IngestError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_rotation_to_another_tenant_takes_effect_with_the_next_attempt(so: StandIn) -> None:
    worker = worker_of(so, "bearer")
    worker.put()
    tenant = worker.client.tenant(Deadline(5))
    so.rotate_credentials()
    so.state.tenant.name = "Cust99999"
    worker.secrets.content = so.secret("bearer")
    so.fail(status=401)
    refused = deferred_by(worker)
    assert "another tenant" in refused.message
    assert puts(so) == 2
    assert worker.client.tenant(Deadline(5)) == "Cust99999" != tenant
    worker.put()


def test_a_tenant_is_known_by_the_secret_alone(so: StandIn) -> None:
    assert worker_of(so, "basic").client.tenant(Deadline(5)) == so.api(online=False)
    assert worker_of(so, "system_user").client.tenant(Deadline(5)) == "Cust12345"
    assert so.calls == []


@pytest.mark.parametrize(
    ("failure", "code", "retry_after"),
    [
        ({"status": 429, "headers": {"Retry-After": "30"}}, "superoffice.rate-limited", 30),
        ({"status": 500}, "superoffice.unavailable", None),
        ({"status": 503, "headers": {"Retry-After": "7"}}, "superoffice.unavailable", 7),
        ({"status": 400, "body": "no"}, "credentials.invalid", None),
        ({"status": 401}, "credentials.invalid", None),
        ({"status": 404}, "credentials.invalid", None),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "superoffice.unexpected-answer", None),
        ({"body": "<html>login</html>"}, "superoffice.unexpected-answer", None),
        ({"body": "{}"}, "superoffice.unexpected-answer", None),
        ({"drop": True}, "superoffice.unavailable", None),
    ],
)
@pytest.mark.parametrize(("auth", "path"), [("system_user", "/Authenticate"), ("refresh_token", "/oauth/tokens")])
def test_every_response_of_the_login_service(  # noqa: PLR0917 - parameters of the test
    so: StandIn, auth: str, path: str, failure: dict[str, Any], code: str, retry_after: float | None
) -> None:
    so.fail(times=None, path=path, **failure)
    refused = deferred_by(worker_of(so, auth))
    assert (refused.code, refused.retry_after, refused.in_doubt) == (code, retry_after, False)
    assert puts(so) == 0
    assert so.find_calls("GET", "/elsewhere") == []


@pytest.mark.parametrize("auth", LOGGING_IN)
@pytest.mark.parametrize("failure", [{"status": 503}, {"drop": True}], ids=["503", "dropped"])
def test_a_momentary_fault_of_the_login_is_retried_at_once(so: StandIn, auth: str, failure: dict[str, Any]) -> None:
    so.fail(times=2, path="/Authenticate", **failure)
    so.fail(times=2, path="/oauth/tokens", **failure)
    worker_of(so, auth).put()
    assert so.authentications == 3


@pytest.mark.parametrize("token", [None, 5, "", "two\nlines", "naïve"])
def test_an_access_token_that_no_header_can_contain(so: StandIn, token: object) -> None:
    so.fail(path="/oauth/tokens", body=json.dumps({"access_token": token, "expires_in": 3600}), headers=JSON)
    assert deferred_by(worker_of(so, "refresh_token")).code == "superoffice.unexpected-answer"
    assert puts(so) == 0


@pytest.mark.parametrize("redirect_uri", [None, "https://app.example.com/callback?a=1&b=2"])
def test_the_redirect_uri_is_sent_as_it_is_registered(so: StandIn, redirect_uri: str | None) -> None:
    so.state.users.redirect_uri = redirect_uri
    worker_of(so, "refresh_token").put()
    wrong = Worker(so.secret("refresh_token") | {"redirect_uri": "https://app.example.com/other"})
    assert "redirect_uri is not the one" in deferred_by(wrong).message


@pytest.mark.parametrize("seconds", ["3600", " 3600.0 ", 3600, 3600.0])
def test_the_lifetime_of_an_access_token_may_be_text(so: StandIn, seconds: object) -> None:
    assert count_logins(so, seconds, at=(0, 3500, 3590)) == [1, 1, 2]


@pytest.mark.parametrize("seconds", [None, "soon", "", 0, -5, "NaN", "inf", "1e999", [3600]])
def test_without_a_usable_lifetime_an_access_token_is_kept_for_the_shortest_documented_one(
    so: StandIn, seconds: object
) -> None:
    assert count_logins(so, seconds, at=(0, 1100, 1190)) == [1, 1, 2]


def count_logins(so: StandIn, seconds: object, at: tuple[float, ...]) -> list[int]:
    """How many logins there were after an upload at each of the times, if a token is said to last for `seconds`."""
    so.state.token_seconds = 7200
    token = so.state.issue_access_token()
    so.fail(path="/oauth/tokens", body=json.dumps({"access_token": token, "expires_in": seconds}), headers=JSON)
    worker = worker_of(so, "refresh_token")
    counts = []
    for moment in at:
        worker.clock.offset = moment
        worker.put()
        counts.append(so.authentications)
    return counts


PUBLIC = {"auth", "base_url", "environment", "context_identifier", "login_url", "username", "client_id"}
CREDENTIAL_HEADERS = ("Authorization", "So-Apptoken", "Cookie", "X-Xsrf-Token")


@pytest.mark.parametrize("path", ["/Image", "/Authenticate", "/oauth/tokens", "/api/state"])
@pytest.mark.parametrize("auth", AUTHS)
def test_secrets_never_reach_logs_or_exceptions(
    so: StandIn, auth: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "c4nary5ecret"
    document = so.secret(auth) | {"unknown": canary}
    said = ""
    with caplog.at_level(logging.DEBUG):
        for status in (400, 401, 403, 302, 429, 500):
            worker = Worker(document)
            worker.put()
            so.expire_credentials()
            worker.clock.offset += 7200  # the address, the ticket and the token are requested again
            so.fail(times=None, path=path, status=status, echoes=True)
            said += shown_by(worker)
            so.clear_faults()
            document = so.secret(auth) | {"unknown": canary}
    secrets = {str(value) for name, value in document.items() if name not in PUBLIC}
    for call in so.calls:
        secrets |= {call.headers[name].rpartition(" ")[2] for name in CREDENTIAL_HEADERS if name in call.headers}
    assert [secret for secret in secrets if secret in said or secret in caplog.text] == []


ECHOES: dict[str, Callable[[str], str]] = {
    "cut short": lambda value: value[: max(8, len(value) // 2)],
    "the end": lambda value: value[-9:],
    "HTML": lambda value: "".join(f"&#{ord(letter)};" for letter in value),
    "URL": lambda value: quote("".join(value), safe="").replace("-", "%2D"),
    "base64": lambda value: base64.b64encode(value.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", ECHOES)
@pytest.mark.parametrize("auth", AUTHS)
def test_parts_and_encoded_forms_of_a_credential_do_not_reach_the_message(so: StandIn, auth: str, form: str) -> None:
    so.state.users.cookie = "first=c00kie-one-1; SoSession=c00kie-two-2; last=c00kie-three-3"
    so.state.users.password = "pæss&w/rd <0>"
    document = so.secret(auth)
    worker = Worker(document)
    worker.put()
    put = so.find_calls("PUT")[-1]
    values = [str(value) for name, value in document.items() if name not in PUBLIC | {"cookie", "private_key"}]
    values += [put.headers[name].rpartition(" ")[2] for name in CREDENTIAL_HEADERS[:2] if name in put.headers]
    values += ["c00kie-one-1", "c00kie-two-2", "c00kie-three-3"] if auth == "session" else []
    echoes = [ECHOES[form](value) for value in values]
    said = json.dumps({"Error": True, "ErrorMessage": " and ".join(echoes)})
    so.fail(status=400, body=said, headers=JSON)
    with pytest.raises(Rejected) as caught:
        worker.put()
    assert [echo for echo in echoes if echo in caught.value.message] == []
    assert "*** and ***" in caught.value.message or len(echoes) == 1


@pytest.mark.parametrize("password", ["x", "a1", "abc", "hunt"])
def test_a_short_password_does_not_reach_the_message(so: StandIn, password: str) -> None:
    so.state.users.password = password
    so.fail(status=400, body=json.dumps({"ErrorMessage": f"Wrong password: {password}."}), headers=JSON)
    with pytest.raises(Rejected, match=r"400: Wrong password: \*\*\*\.$"):
        worker_of(so).put()


def test_the_signature_of_a_login_does_not_reach_the_message(so: StandIn) -> None:
    so.fail(path="/Authenticate", status=400, echoes=True)
    message = deferred_by(worker_of(so, "system_user")).message
    assert "credentials.invalid" not in message
    assert '"SignedSystemToken": "***"' in message


def shown_by(worker: Worker) -> str:
    """The text of the upload's failure, if it fails, and of every cause."""
    said = ""
    chain: BaseException | None = None
    try:
        worker.put()
    except IngestError as failure:
        chain = failure
    while chain is not None:
        said += f"{chain!r} {chain} {chain.args!r}\n"
        chain = chain.__cause__ or chain.__context__
    return said


def test_a_credential_reaches_neither_the_ledger_nor_the_dead_letter(stack: MotoStack) -> None:
    so = stack.superoffice
    so.state.users.cookie = "first=c00kie-one-1; SoSession=c00kie two-2"
    stack.put_secret(so.secret("session"))
    said = f"Not you: c00kie-one-1, {quote('c00kie two-2')}, {so.state.users.xsrf_token[:12]}…"
    so.fail(status=400, body=json.dumps({"ErrorMessage": said}), headers=JSON, path="/Image")
    row = stack.result(stack.put("x.jpg", photo()))
    (letter,) = stack.dead_letters()
    expected = "SuperOffice answered 400: Not you: ***, ***, ***…."
    assert (row["message"], letter["ErrorMessage"], stack.item()["error_message"]) == (expected,) * 3
