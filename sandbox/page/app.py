"""The page's addresses: its files, the stream of states, pictures, and what a visitor can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from flask import Blueprint, Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox.page.actions import Actions, Refused
from sandbox.page.faults import Weather
from sandbox.page.folder import plan
from sandbox.page.guard import guard
from sandbox.page.observer import Observer
from sandbox.page.originals import Originals
from sandbox.superoffice import StandIn

_MOST_BYTES = 80 * 2**20  # more than the function takes, so that its refusal can be seen


@dataclass(frozen=True)
class Parts:
    """What the addresses lead to."""

    observer: Observer
    actions: Actions
    weather: Weather
    superoffice: StandIn
    originals: Originals


def create_app(port: int, parts: Parts) -> Flask:
    """The application that is served on 127.0.0.1 at this port."""
    app = Flask(__name__, static_folder="static", static_url_path="/")
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = 2**20
    app.register_blueprint(_views(app, parts))
    app.register_blueprint(_deeds(parts.observer, parts.actions))
    app.register_blueprint(_weather(parts.weather))
    guard(app, port)
    app.register_error_handler(Refused, lambda problem: (jsonify(problem=str(problem)), 400))
    app.register_error_handler(HTTPException, lambda problem: (jsonify(problem=problem.description), problem.code))
    app.register_error_handler(ClientError, _aws_trouble)
    app.register_error_handler(BotoCoreError, _aws_trouble)

    @app.after_request
    def look(response: Response) -> Response:
        if request.method == "POST":
            parts.observer.look_now()
        return response

    return app


def _aws_trouble(problem: Exception) -> tuple[Response, int]:
    return jsonify(problem=f"The embedded AWS refused: {problem}"), 502


def _views(app: Flask, parts: Parts) -> Blueprint:
    views = Blueprint("views", __name__)
    observer, superoffice, originals = parts.observer, parts.superoffice, parts.originals

    @views.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")

    @views.get("/events")
    def events() -> Response:
        return Response(_events(observer), content_type="text/event-stream")

    @views.get("/pictures/<entity_type>/<int:entity_id>/<int:number>")
    def picture(entity_type: str, entity_id: int, number: int) -> Response:
        kept = superoffice.pictures(entity_type, entity_id)
        if number >= len(kept):
            abort(404, "SuperOffice has no such picture.")
        return _forever(kept[number].data, kept[number].content_type)

    @views.get("/originals/<version>")
    def facts(version: str) -> Response:
        return jsonify(originals.facts(_known_key(observer, version), version))

    @views.get("/originals/<version>/preview")
    def preview(version: str) -> Response:
        data = originals.preview(_known_key(observer, version), version)
        if data is None:
            return Response(status=204)
        return _forever(data, "image/png")

    return views


def _deeds(observer: Observer, actions: Actions) -> Blueprint:
    deeds = Blueprint("deeds", __name__)

    @deeds.post("/uploads")
    def upload() -> Response:
        given = (request.args.get(name, "") for name in ("entity_type", "entity_id"))
        sent = actions.upload(request.args.get("name", ""), request.get_data(), *given)
        return jsonify(id=sent.version, key=sent.key)

    @deeds.post("/album")
    def send_album() -> Response:
        return jsonify(sent=len(actions.send_album()))

    @deeds.post("/folder")
    def folder() -> Response:
        spreadsheet, names = request.files.get("spreadsheet"), _names(request.form.get("names", ""))
        if spreadsheet is None or names is None:
            abort(400, "A spreadsheet and the folder's file names are needed.")
        return jsonify(plan(spreadsheet.read(), names))

    @deeds.post("/dead-letters/<message_id>/replay")
    def replay(message_id: str) -> Response:
        actions.replay(message_id)
        return jsonify()

    @deeds.post("/waiting/<message_id>/again")
    def again(message_id: str) -> Response:
        body = observer.body_of(message_id)
        if body is None:
            abort(404, "This message is not waiting any more.")
        actions.send_again(body)
        return jsonify()

    return deeds


def _weather(weather: Weather) -> Blueprint:
    switches = Blueprint("weather", __name__)

    @switches.post("/weather/<name>/<state>")
    def switch(name: str, state: str) -> Response:
        if name not in weather.names or state not in ("on", "off"):
            abort(404, "There is no such weather.")
        weather.switch(name, on=state == "on")
        return jsonify()

    @switches.post("/tenant/move")
    def move() -> Response:
        weather.move_tenant()
        return jsonify()

    return switches


def _events(observer: Observer) -> Iterator[str]:
    yield "retry: 1000\n\n"
    for document in observer.updates():
        yield f"data: {document}\n\n" if document else ": still here\n\n"


def _known_key(observer: Observer, version: str) -> str:
    key = observer.key_of(version)
    if key is None:
        abort(404, "There is no such upload.")
    return key


def _forever(data: bytes, content_type: str) -> Response:
    """What is under this address never changes."""
    return Response(data, content_type=content_type, headers={"Cache-Control": "private, max-age=31536000, immutable"})


def _names(text: str) -> list[str] | None:
    """The JSON list of strings that it is."""
    try:
        names: Any = json.loads(text)
    except ValueError:
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
