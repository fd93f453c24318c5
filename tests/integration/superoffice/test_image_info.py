"""Which picture a record shows, deleting it, and any other call, through the same client."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.superoffice import ApiRequest, Calls
from image_ingest.target import ENTITY_TYPES, EntityType, Target
from sandbox.superoffice import AUTHS, StandIn
from sandbox.superoffice.state import NoPicture
from tests.support.superoffice_client import (
    PERSON,
    picture,
    puts,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)

JSON = {"Content-Type": "application/json"}
ERROR = json.dumps({"Error": True, "ErrorMessage": "You may not."})


@pytest.mark.parametrize("entity", ENTITY_TYPES)
def test_the_picture_that_a_record_shows(so: StandIn, entity: EntityType) -> None:
    worker, target = worker_of(so), Target(entity, 7)
    blob_id = worker.put(target)
    first = worker.image_info(target)
    assert first is not None
    assert (first.blob_id, first.blob_size, first.content_type) == (blob_id, len(picture().data), "image/jpeg")
    assert first.original_size == len(picture().data)
    assert first.updated_at is not None
    so.state.keeps_blob_ids = True
    so.advance(60)
    assert so.set_picture(entity, 7, picture("image/png").data, "image/png") == blob_id
    second = worker.image_info(target)
    assert second is not None
    assert (second.blob_id, second.content_type) == (blob_id, "image/png")
    assert second.updated_at is not None
    assert second.updated_at > first.updated_at


@pytest.mark.parametrize("no_picture", get_args(NoPicture))
def test_every_way_to_say_no_picture(so: StandIn, no_picture: NoPicture) -> None:
    so.state.no_picture = no_picture
    worker = worker_of(so, "system_user")
    assert worker.image_info() is None
    worker.put()
    assert worker.image_info() is not None
    assert worker.delete()
    assert worker.image_info() is None


@pytest.mark.parametrize("body", ["{}", '""', "null", "", " \r\n", "\ufeff", '{"BlobId": 0}', '{"BlobId": null}'])
def test_no_picture_in_other_forms(so: StandIn, body: str) -> None:
    so.fail(status=200, body=body.encode(), path="ImageInfo")
    assert worker_of(so).image_info() is None


def test_a_204_is_no_picture_and_a_record_that_does_not_exist_has_none(so: StandIn) -> None:
    so.fail(status=204, path="ImageInfo")
    assert worker_of(so).image_info() is None
    for status in (400, 404):
        so.fail(status=status, body=ERROR, headers=JSON, path="ImageInfo")
        assert worker_of(so).image_info() is None


@pytest.mark.parametrize("body", ["<html>Log in</html>", "[]", "59", '"59"', '{"BlobId": "x"}', '{"BlobId": -1}'])
def test_what_is_no_image_info(so: StandIn, body: str) -> None:
    so.fail(status=200, body=body, path="ImageInfo")
    with pytest.raises(Deferred) as caught:
        worker_of(so).image_info()
    assert caught.value.code == "superoffice.unexpected-answer"


REFUSALS = [
    ({"status": 401, "body": ERROR}, "superoffice.unauthorized"),
    ({"status": 403, "body": ERROR}, "superoffice.forbidden"),
    ({"status": 403, "body": "<html>"}, "superoffice.unexpected-answer"),
    ({"status": 404, "body": "<html>"}, "superoffice.unexpected-answer"),
    ({"status": 429}, "superoffice.rate-limited"),
    ({"status": 500}, "superoffice.unavailable"),
    ({"status": 302}, "superoffice.unexpected-answer"),
]


@pytest.mark.parametrize(("failure", "code"), REFUSALS)
def test_refusals_of_both_are_those_of_a_put(so: StandIn, failure: dict[str, int | str], code: str) -> None:
    worker = worker_of(so)
    so.fail(times=None, headers=JSON, **failure)  # type: ignore[arg-type]  # status and body
    for call in (worker.image_info, worker.delete):
        with pytest.raises(IngestError) as caught:
            call()
        assert caught.value.code == code


def test_a_picture_is_deleted(so: StandIn) -> None:
    worker = worker_of(so)
    worker.put()
    assert worker.delete()
    assert so.picture("person", PERSON.entity_id) is None
    assert [call.path for call in so.find_calls("DELETE")] == [so.find_calls("PUT")[0].path]


def test_what_else_settles_a_deletion(so: StandIn) -> None:
    worker = worker_of(so)
    for status in (200, 202):
        so.fail(status=status, body="")
        assert worker.delete()
    so.fail(status=404, body=ERROR, headers=JSON)
    assert not worker.delete()
    so.remove("person", PERSON.entity_id)
    with pytest.raises(Rejected) as caught:
        worker.delete()
    assert caught.value.code == "superoffice.bad-request"


def test_a_deletion_without_a_response_is_in_doubt_and_a_read_is_not(so: StandIn) -> None:
    so.fail(times=None, drop=True)
    calls = Calls()
    with pytest.raises(Deferred) as caught:
        worker_of(so).delete(calls=calls)
    assert (caught.value.in_doubt, calls.in_doubt) == (True, True)
    with pytest.raises(Deferred) as caught:
        worker_of(so).image_info()
    assert not caught.value.in_doubt


@pytest.mark.parametrize("auth", AUTHS)
def test_any_call_has_the_clients_credential_renewal_and_address(so: StandIn, auth: str) -> None:
    worker = worker_of(so, auth)
    request = ApiRequest("GET", "v1/User/currentPrincipal", {"SO-Language": "no"})
    so.fail(status=401, path="currentPrincipal")
    response = worker.client.call(request, Deadline(30), Calls())
    assert (response.status, json.loads(response.body)["AssociateId"]) == (200, 5)
    assert [call.status for call in so.find_calls("GET", "currentPrincipal")] == [401, 200]
    assert so.calls[-1].headers["So-Language"] == "no"
    so.move_tenant()
    assert worker.client.call(ApiRequest("GET", ""), Deadline(30), Calls()).status == 200


def test_a_call_returns_the_final_status_whatever_it_is(so: StandIn) -> None:
    worker = worker_of(so)
    so.fail(times=None, status=403, body=ERROR, headers=JSON, path="Principal")
    response = worker.client.call(ApiRequest("GET", "v1/User/currentPrincipal"), Deadline(30), Calls())
    assert (response.status, response.error_message) == (403, "You may not")
    assert puts(so) == 0


def test_a_renewal_that_failed_for_one_call_is_not_repeated_for_another(so: StandIn) -> None:
    worker = worker_of(so, "refresh_token")
    so.fail(times=None, status=403, body=ERROR, headers=JSON, path="v1/")
    worker.client.call(ApiRequest("GET", "v1/User/currentPrincipal"), Deadline(30), Calls())
    with pytest.raises(Rejected):
        worker.put()
    assert so.authentications == 2
