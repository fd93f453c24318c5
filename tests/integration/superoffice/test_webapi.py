"""SuperOffice's own JavaScript client judges the stand-in, and the pictures that the function stores."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import PIPE
from typing import Any

import pytest
from PIL import Image

from image_ingest.target import Target
from sandbox.superoffice import StandIn
from sandbox.tools.webapi import find_webapi
from tests import ROOT
from tests.support.stack import MotoStack, photo
from tests.support.superoffice_client import (
    picture,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)

AGENTS = ("Person", "BLOB")
AS_BASE64 = 1


@dataclass(frozen=True)
class Client:
    """SuperOffice's client, logged in to a stand-in."""

    process: subprocess.Popen[str]
    address: str
    login: dict[str, Any]

    def call(self, agent: str, method: str, *args: Any) -> Any:
        """What the method returns; the status, if the client throws."""
        call = {"agent": agent, "method": f"{method}Async", "args": args}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"address": self.address, "login": self.login, **call}), file=self.process.stdin, flush=True)
        result = json.loads(self.process.stdout.readline())
        return read_binary(result.get("value", result.get("status")))


def read_binary(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and "base64" in value else value


def binary(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def node() -> Iterator[subprocess.Popen[str]]:
    webapi = find_webapi()
    command = [webapi.node, str(ROOT / "tests/webapi/client.js")]
    environment = os.environ | {"NODE_PATH": str(webapi.modules)}
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process


@pytest.fixture
def client(so: StandIn, node: subprocess.Popen[str]) -> Client:
    return Client(node, so.api(online=False), so.secret("basic"))


@pytest.mark.parametrize("auth", ["ticket", "bearer"])
def test_it_is_let_in_online(so: StandIn, node: subprocess.Popen[str], auth: str) -> None:
    so.set_picture("person", 7, picture().data)
    assert Client(node, so.api(), so.secret(auth)).call("Person", "getPersonImage", 7) == picture().data
    assert Client(node, so.api(), {}).call("Person", "getPersonImage", 7) == 401


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
def test_it_reads_the_picture_that_the_function_stored(so: StandIn, client: Client, content_type: str) -> None:
    sent = picture(content_type, (120, 80))
    worker_of(so).put(Target("person", 7), sent)
    for agent in AGENTS:
        assert client.call(agent, "getPersonImage", 7) == sent.data
        encoded = client.call(agent, "getPersonImage", 7, {"returnBlobAs": AS_BASE64})
        assert base64.b64decode(encoded) == sent.data
    (shown,) = client.call("Person", "getPersonImages", [7], 60, 60)
    with Image.open(io.BytesIO(base64.b64decode(shown["imageData"]))) as scaled:
        assert (shown["personId"], scaled.size, scaled.format) == (7, (60, 40), "PNG")


def test_it_reads_what_an_upload_stored(stack: MotoStack, node: subprocess.Popen[str]) -> None:
    """The whole way: an object in the bucket, its notification, the function, and SuperOffice's own client."""
    row = stack.result(stack.put("portrait.tif", photo(size=(3000, 2000), kind="TIFF"), "person#7"))
    assert row["outcome"] == "stored"
    so = stack.superoffice
    shown = Client(node, so.api(online=False), so.secret("basic")).call("Person", "getPersonImage", 7)
    with Image.open(io.BytesIO(shown)) as stored:
        assert (stored.format, stored.size) == ("JPEG", (1024, 683))


@pytest.mark.parametrize("agent", AGENTS)
def test_what_a_person_sets_with_it_is_what_the_function_sees(so: StandIn, client: Client, agent: str) -> None:
    worker = worker_of(so)
    blob_id = worker.put(Target("person", 7))
    sent = picture("image/png", (30, 20)).data
    assert client.call(agent, "setPersonImage", 7, binary(sent)) in (None, "")
    info = worker.image_info(Target("person", 7))
    assert info is not None
    assert info.blob_id != blob_id
    assert (info.blob_size, info.content_type) == (len(sent), "image/png")
    assert client.call(agent, "getPersonImage", 7) == sent


def test_a_person_without_a_picture(so: StandIn, client: Client) -> None:
    assert client.call("Person", "getPersonImage", 8) == 404
    assert client.call("BLOB", "getPersonImage", 8) in (b"", "")
    so.set_picture("person", 7, picture().data)
    shown = client.call("Person", "getPersonImages", [7, 8], 16, 16)
    assert [(one["personId"], bool(one["imageData"])) for one in shown] == [(7, True), (8, False)]
    so.state.omits_persons_without_image = True
    assert [one["personId"] for one in client.call("Person", "getPersonImages", [7, 8], 16, 16)] == [7]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(("person_id", "data"), [(7, b"no picture"), (2_000_000, picture().data)])
def test_what_cannot_be_set_is_refused(client: Client, agent: str, person_id: int, data: bytes) -> None:
    assert client.call(agent, "setPersonImage", person_id, binary(data)) == 400


def test_its_paths_work_in_any_case(so: StandIn, client: Client) -> None:
    so.set_picture("person", 7, picture().data)
    upper = Client(client.process, client.address.replace("SuperOffice", "SUPEROFFICE"), client.login)
    assert upper.call("Person", "getPersonImage", 7) == picture().data
    headers = {"Authorization": f"Bearer {so.secret('bearer')['access_token']}"}
    for path in ("v1/Person/7/image", "V1/person/7/IMAGE", "v1/PERSON/7/Imageinfo"):
        with urllib.request.urlopen(urllib.request.Request(f"{client.address}/{path}", headers=headers)) as response:
            assert response.status == 200


def test_the_login_services_configuration_names_its_keys(so: StandIn) -> None:
    with urllib.request.urlopen(f"{so.url}/login/.well-known/openid-configuration") as response:
        configuration = json.load(response)
    assert configuration["token_endpoint"] == f"{so.url}/login/common/oauth/tokens"
    with urllib.request.urlopen(configuration["jwks_uri"]) as response:
        assert [key["kid"] for key in json.load(response)["keys"]] == ["key-1", "key-2"]
