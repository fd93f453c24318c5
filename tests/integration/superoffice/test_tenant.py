"""Online, SuperOffice says where the tenant is: its address is requested, kept, and requested again when it moves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.superoffice import StandIn
from tests.support.superoffice_client import (
    Worker,
    deferred_by,
    puts,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)


def test_the_address_is_kept_until_valid_until(so: StandIn) -> None:
    so.state.tenant.valid_seconds = 600
    worker = worker_of(so, "bearer")
    worker.put()
    worker.clock.offset = 590
    worker.put()
    assert so.state_lookups == 1
    worker.clock.offset = 601
    worker.put()
    assert so.state_lookups == 2


def test_the_state_is_requested_without_a_credential(so: StandIn) -> None:
    worker_of(so, "system_user").put()
    (lookup,) = so.find_calls("GET", "/api/state/Cust12345")
    assert not lookup.headers.keys() & {"Authorization", "So-Apptoken", "Cookie"}


def test_a_moved_tenant_is_followed_at_once(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    worker.put()
    so.move_tenant()
    worker.put()
    assert [call.status for call in so.find_calls("PUT")] == [200, 421, 200]
    assert (so.state_lookups, so.authentications) == (2, 1)
    worker.put()
    assert so.state_lookups == 2


def test_a_tenant_that_is_not_where_it_is_said_to_be(so: StandIn) -> None:
    so.fail(times=None, status=421, path="/Image")
    worker = worker_of(so, "bearer")
    refused = deferred_by(worker)
    assert (refused.code, puts(so), so.state_lookups) == ("superoffice.misdirected", 2, 2)
    so.clear_faults()
    worker.put()
    assert so.state_lookups == 3


def test_an_onsite_421_cannot_be_looked_up(so: StandIn) -> None:
    so.fail(times=None, status=421)
    assert deferred_by(worker_of(so, "basic")).code == "superoffice.misdirected"
    assert (puts(so), so.state_lookups) == (1, 0)


def test_a_move_and_an_expired_credential_in_one_upload(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    worker.put()
    so.move_tenant()
    so.expire_credentials()
    worker.put()
    assert [call.status for call in so.find_calls("PUT")] == [200, 421, 401, 200]


@pytest.mark.parametrize(
    "state",
    [
        "Unknown",
        "Provisioning",
        "Deleted",
        "Suspended",
        "OfflineMaintenance",
        "ProvisioningFailed",
        "Deleting",
        "DeleteFailed",
        "MigrationPending",
    ],
)
def test_a_tenant_that_is_not_running_defers_without_a_put(so: StandIn, state: str) -> None:
    so.set_state(state, valid_seconds=900)
    worker = worker_of(so, "bearer")
    refused = deferred_by(worker)
    assert refused.code == "superoffice.unavailable"
    assert f"its state is {state}" in refused.message
    assert refused.retry_after == pytest.approx(900, abs=30)
    assert (puts(so), refused.in_doubt) == (0, False)
    so.set_state("Running")
    worker.put()
    assert so.state_lookups == 2


@pytest.mark.parametrize("auth", ["system_user", "refresh_token"])
def test_no_login_takes_place_while_the_tenant_is_not_running(so: StandIn, auth: str) -> None:
    so.set_state("Suspended")
    so.revoke_credentials("Denied")
    refused = deferred_by(worker_of(so, auth))
    assert refused.code == "superoffice.unavailable"
    assert "its state is Suspended" in refused.message
    assert (so.authentications, puts(so), so.state_lookups) == (0, 0, 1)


@pytest.mark.parametrize("auth", ["system_user", "refresh_token"])
def test_a_tenant_that_stopped_while_its_address_was_kept_is_reported_as_stopped(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    worker.put()
    so.set_state("Suspended")
    so.revoke_credentials("Denied")
    so.fail(times=1, status=401)
    refused = deferred_by(worker)
    assert refused.code == "superoffice.unavailable"
    assert "its state is Suspended" in refused.message


def test_a_refused_login_to_a_running_tenant_requests_the_state_once(so: StandIn) -> None:
    so.revoke_credentials("Denied")
    assert deferred_by(worker_of(so, "system_user")).code == "credentials.invalid"
    assert so.state_lookups == 1


@pytest.mark.parametrize(("valid_seconds", "retry_after"), [(12 * 3600, 900), (899, 899), (-60, None), (0, None)])
def test_a_state_that_is_not_running_is_requested_again_after_15_minutes_at_the_latest(
    so: StandIn, valid_seconds: float, retry_after: float | None
) -> None:
    so.set_state("OfflineMaintenance", valid_seconds=valid_seconds)
    assert deferred_by(worker_of(so, "bearer")).retry_after == (retry_after and pytest.approx(retry_after, abs=5))


@pytest.mark.parametrize("valid_seconds", [-3600, 0])
def test_a_valid_until_in_the_past_does_not_cost_a_lookup_for_each_upload(so: StandIn, valid_seconds: float) -> None:
    so.state.tenant.valid_seconds = valid_seconds
    worker = worker_of(so, "bearer")
    for _ in range(5):
        worker.put()
    worker.clock.offset += 590
    worker.put()
    assert so.state_lookups == 1
    worker.clock.offset += 20
    worker.put()
    assert so.state_lookups == 2


def test_deleted_and_suspended_tenants_are_named_as_such(so: StandIn) -> None:
    so.set_state("Deleted")
    assert "it was deleted" in deferred_by(worker_of(so, "bearer")).message
    so.set_state("Suspended")
    assert "it is suspended" in deferred_by(worker_of(so, "bearer")).message


def test_online_maintenance_stores(so: StandIn) -> None:
    so.set_state("OnlineMaintenance")
    worker_of(so, "bearer").put()


def test_maintenance_that_begins_while_the_address_is_kept_is_noticed(so: StandIn) -> None:
    worker = worker_of(so, "bearer")
    worker.put()
    so.maintenance()
    assert "503" in deferred_by(worker).message
    assert "OfflineMaintenance" in deferred_by(worker).message
    so.maintenance(on=False)
    worker.put()


def test_an_address_that_does_not_answer_is_looked_up_again_the_next_time(so: StandIn) -> None:
    worker = worker_of(so, "bearer")
    worker.put()
    so.fail(times=3, drop=True)
    assert deferred_by(worker).code == "superoffice.unavailable"
    worker.put()
    assert so.state_lookups == 2


@pytest.mark.parametrize("status", [200, 404])
def test_an_unknown_tenant_is_an_invalid_credential(so: StandIn, status: int) -> None:
    so.state.unknown_tenant_status = status
    secret = so.secret("bearer") | {"context_identifier": "Cust404"}
    refused = deferred_by(Worker(secret))
    assert refused.code == "credentials.invalid"
    assert "check context_identifier and environment" in refused.message


@pytest.mark.parametrize("api", [None, ""])
def test_an_unknown_tenant_may_be_a_state_too(so: StandIn, api: str | None) -> None:
    change_state(so, State="Unknown", IsRunning=False, Api=api)
    refused = deferred_by(worker_of(so, "bearer"))
    assert refused.code == "credentials.invalid"
    assert "knows no tenant Cust12345" in refused.message


def change_state(so: StandIn, **changed: Any) -> None:
    """The next response of the state service has these fields changed, and not those that are None."""
    state = {
        "ContextIdentifier": "Cust12345",
        "Endpoint": so.api().removesuffix("/api"),
        "State": "Running",
        "IsRunning": True,
        "ValidUntil": "2999-10-05T09:52:01.9342965Z",
        "Api": so.api(),
    } | changed
    body = json.dumps({name: value for name, value in state.items() if value is not None})
    so.fail(times=1, path="/api/state/", body=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/v1", "{}/v1/"])
def test_addresses_in_every_form(so: StandIn, form: str) -> None:
    change_state(so, Api=form.format(so.api()))
    worker_of(so, "bearer").put()


@pytest.mark.parametrize(
    "api",
    [
        "https://crm.example.com/Cust12345/api",
        "https://superoffice.com.example.com/Cust12345/api",
        "https://evilsuperoffice.com/Cust12345/api",
        "http://online3.superoffice.com/Cust12345/api",
        "https://online3.superoffice.com@crm.example.com/api",
        "https://crm.example.com\\@online3.superoffice.com/api",
        "https://crm.example.com#.superoffice.com/api",
        "http://127.0.0.2:1/api",
        "http://localhost:1/api",
        "//online3.superoffice.com/api",
        "/Cust12345/api",
        "",
        None,
        7,
    ],
)
def test_credentials_go_nowhere_else(so: StandIn, api: object) -> None:
    change_state(so, Api=api)
    refused = deferred_by(worker_of(so, "bearer"))
    assert refused.code == "superoffice.unexpected-answer"
    assert len(so.calls) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"IsRunning": "yes"},
        {"IsRunning": None, "State": "Odd"},
        {"IsRunning": None, "State": None},
        {"IsRunning": False},
    ],
)
def test_a_state_that_does_not_say_running_is_not_running(so: StandIn, changed: dict[str, Any]) -> None:
    change_state(so, **changed)
    assert deferred_by(worker_of(so, "bearer")).code == "superoffice.unavailable"
    assert puts(so) == 0


def test_a_state_without_is_running_is_recognised_by_its_name(so: StandIn) -> None:
    change_state(so, IsRunning=None)
    worker_of(so, "bearer").put()


def test_a_state_of_another_tenant_is_refused(so: StandIn) -> None:
    change_state(so, ContextIdentifier="Cust99999")
    assert deferred_by(worker_of(so, "bearer")).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("valid_until", [None, "someday", 7])
def test_an_address_without_a_date_is_kept_for_a_while(so: StandIn, valid_until: object) -> None:
    change_state(so, ValidUntil=valid_until)
    worker = worker_of(so, "bearer")
    worker.put()
    worker.put()
    assert so.state_lookups == 1
    worker.clock.offset += 3600
    worker.put()
    assert so.state_lookups == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ({"status": 429}, "superoffice.rate-limited"),
        ({"status": 500}, "superoffice.unavailable"),
        ({"status": 403}, "credentials.invalid"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "superoffice.unexpected-answer"),
        ({"body": "<html>Log in</html>"}, "superoffice.unexpected-answer"),
        ({"drop": True}, "superoffice.unavailable"),
    ],
)
def test_every_response_of_the_state_service(so: StandIn, failure: dict[str, Any], code: str) -> None:
    so.fail(times=None, path="/api/state/", **failure)
    assert deferred_by(worker_of(so, "bearer")).code == code
    assert (puts(so), so.find_calls("GET", "/elsewhere")) == (0, [])
