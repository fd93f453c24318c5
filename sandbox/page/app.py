"""The page's addresses: its files, the stream of states, pictures, and the visitor's actions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from flask import Blueprint, Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox.page.actions import Actions, Refused
from sandbox.page.fault_switches import FaultSwitches
from sandbox.page.folder import plan_folder
from sandbox.page.guard import protect_app
from sandbox.page.observer import Observer
from sandbox.page.originals import Originals, shrink_picture
from sandbox.superoffice import StandIn

_MOST_BYTES = 80 * 2**20  # more than the function accepts, so that visitors can see its refusal


@dataclass(frozen=True)
class Parts:
    """What the addresses use."""

    observer: Observer
    actions: Actions
    faults: FaultSwitches
    superoffice: StandIn
    originals: Originals


def create_app(port: int, parts: Parts) -> Flask:
    """The application that is served on 127.0.0.1 at this port."""
    app = Flask(__name__, static_folder="static", static_url_path="/")
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = 2**20
    app.register_blueprint(_make_views(app, parts))
    app.register_blueprint(_make_actions(parts.observer, parts.actions))
    app.register_blueprint(_make_switches(parts.faults))
    protect_app(app, port)
    app.register_error_handler(Refused, lambda problem: (jsonify(problem=str(problem)), 400))
    app.register_error_handler(HTTPException, lambda problem: (jsonify(problem=problem.description), problem.code))
    app.register_error_handler(ClientError, _report_aws_error)
    app.register_error_handler(BotoCoreError, _report_aws_error)

    @app.after_request
    def refresh(response: Response) -> Response:
        if request.method == "POST":
            parts.observer.refresh()
        return response

    return app


def _report_aws_error(problem: Exception) -> tuple[Response, int]:
    return jsonify(problem=f"The embedded AWS refused this: {problem}"), 502


def _make_views(app: Flask, parts: Parts) -> Blueprint:
    views = Blueprint("views", __name__)
    observer, superoffice, originals = parts.observer, parts.superoffice, parts.originals

    @views.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")

    @views.get("/events")
    def events() -> Response:
        return Response(_stream(observer), content_type="text/event-stream")

    @views.get("/pictures/<entity_type>/<int:entity_id>/<int:number>")
    def picture(entity_type: str, entity_id: int, number: int) -> Response:
        kept = superoffice.pictures(entity_type, entity_id)
        if number >= len(kept):
            abort(404, "SuperOffice has no such picture.")
        bound = request.args.get("bound", type=int)
        data = shrink_picture(kept[number].data, bound) if bound else kept[number].data
        return _cache_forever(data, kept[number].content_type)

    @views.get("/originals/<version>")
    def facts(version: str) -> Response:
        return jsonify(originals.read_facts(_find_key(observer, version), version))

    @views.get("/originals/<version>/preview")
    def preview(version: str) -> Response:
        data = originals.make_preview(_find_key(observer, version), version)
        if data is None:
            return Response(status=204)
        return _cache_forever(data, "image/png")

    @views.get("/originals/<version>/thumbnail")
    def thumbnail(version: str) -> Response:
        data = originals.make_thumbnail(_find_key(observer, version), version)
        if data is None:
            return Response(status=204)
        return _cache_forever(data, "image/png")

    return views


def _make_actions(observer: Observer, actions: Actions) -> Blueprint:
    views = Blueprint("actions", __name__)

    @views.post("/uploads")
    def upload() -> Response:
        given = (request.args.get(name, "") for name in ("entity_type", "entity_id"))
        sent = actions.upload(request.args.get("name", ""), request.get_data(), *given)
        return jsonify(id=sent.version, key=sent.key)

    @views.post("/album")
    def send_album() -> Response:
        return jsonify(sent=len(actions.send_album()))

    @views.post("/folder")
    def folder() -> Response:
        spreadsheet, names = request.files.get("spreadsheet"), _parse_names(request.form.get("names", ""))
        if spreadsheet is None or names is None:
            abort(400, "Send a spreadsheet and the folder's file names.")
        return jsonify(plan_folder(spreadsheet.read(), names))

    @views.post("/dead-letters/<message_id>/replay")
    def replay(message_id: str) -> Response:
        actions.replay(message_id)
        return jsonify()

    @views.post("/waiting/<message_id>/again")
    def again(message_id: str) -> Response:
        body = observer.find_body(message_id)
        if body is None:
            abort(404, "This message is no longer waiting.")
        actions.send_again(body)
        return jsonify()

    return views


def _make_switches(faults: FaultSwitches) -> Blueprint:
    switches = Blueprint("faults", __name__)

    @switches.post("/faults/<name>/<state>")
    def switch(name: str, state: str) -> Response:
        if name not in faults.names or state not in ("on", "off"):
            abort(404, "There is no such fault.")
        faults.switch(name, on=state == "on")
        return jsonify()

    @switches.post("/tenant/move")
    def move() -> Response:
        faults.move_tenant()
        return jsonify()

    return switches


def _stream(observer: Observer) -> Iterator[str]:
    yield "retry: 1000\n\n"
    for document in observer.updates():
        yield f"data: {document}\n\n" if document else ": no change\n\n"


def _find_key(observer: Observer, version: str) -> str:
    key = observer.find_key(version)
    if key is None:
        abort(404, "There is no such upload.")
    return key


def _cache_forever(data: bytes, content_type: str) -> Response:
    """A response that never changes."""
    return Response(data, content_type=content_type, headers={"Cache-Control": "private, max-age=31536000, immutable"})


def _parse_names(text: str) -> list[str] | None:
    """The JSON list of strings, or None if the text is something else."""
    try:
        names: Any = json.loads(text)
    except ValueError:
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
