"""Pictures through the agents API, as SuperOffice's own JavaScript client uses it: base64 in JSON, or raw bytes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask import Blueprint, Response, request

from sandbox.superoffice.image_api import FORMATS, read_size, scale
from sandbox.superoffice.rest import add_route, make_document, make_error
from sandbox.superoffice.state import State

_TYPES = {name: content_type for content_type, name in FORMATS.items()}
_PERSON = "/v1/Agents/Person"
_BLOB = "/v1/Agents/BLOB"


def make_agents_api(state: State) -> Blueprint:
    """The routes, onsite and Online."""
    api = Blueprint("agents_api", __name__)
    add_route(api, state, f"{_PERSON}/SetPersonImage", _set_image, ["POST"])
    add_route(api, state, f"{_PERSON}/GetPersonImage", _get_image, ["POST"])
    add_route(api, state, f"{_PERSON}/GetPersonImages", _get_images, ["POST"])
    add_route(api, state, f"{_BLOB}/SetPersonImage", _set_blob, ["POST"])
    add_route(api, state, f"{_BLOB}/GetPersonImage", _get_blob, ["POST"])
    return api


def _read_arguments() -> dict[str, Any]:
    """The call's arguments; SuperOffice reads their names in any case."""
    content = request.get_json(silent=True)
    return {name.lower(): value for name, value in content.items()} if isinstance(content, dict) else {}


def _set_image(state: State) -> Response:
    arguments = _read_arguments()
    person_id = arguments.get("personid", 0)
    if not state.has_record("person", person_id):
        return make_error(400, "ArgumentException", "Person id is not valid.")
    try:
        data = base64.b64decode(arguments.get("image") or "", validate=True)
    except binascii.Error:
        return make_error(400, "FormatException", "The image is not valid base64.")
    for name, content_type in _TYPES.items():
        size = read_size(data, name)
        if size is not None:
            state.store("person", person_id, data, content_type, size)
            return Response(status=204)
    return make_error(400, "ArgumentException", "The image is not valid.")


def _set_blob(state: State) -> Response:
    return _set_image(state)


def _get_image(state: State) -> Response:
    shown = state.get_picture("person", _read_arguments().get("personid", 0))
    if shown is None:
        return make_error(404, "SoNotFoundException", "There is no image.")
    return _make_blob(shown.data)


def _get_blob(state: State) -> Response:
    """Unlike the person agent's, this is 200 and empty if there is no picture."""
    shown = state.get_picture("person", _read_arguments().get("personid", 0))
    return _make_blob(shown.data if shown else b"")


def _make_blob(data: bytes) -> Response:
    if request.headers.get("Accept") == "application/octet-stream":
        return Response(data, content_type="application/octet-stream")
    return make_document(base64.b64encode(data).decode())


def _get_images(state: State) -> Response:
    arguments = _read_arguments()
    width, height = arguments.get("scaledwidth"), arguments.get("scaledheight")
    rows = []
    for person_id in arguments.get("personids") or ():
        shown = state.get_picture("person", person_id)
        data = scale(shown, width, height, "PNG") if shown else b""
        if data or not state.omits_persons_without_image:
            rows.append({"PersonId": person_id, "ImageData": base64.b64encode(data).decode()})
    return make_document(rows)
