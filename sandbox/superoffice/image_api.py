"""The REST API: the image endpoints of the four entities, and two harmless reads."""

from __future__ import annotations

import base64
import hmac
import io
import json
from typing import Any
from xml.sax.saxutils import escape

from flask import Blueprint, Request, Response, request
from PIL import Image, UnidentifiedImageError

from sandbox.superoffice.state import ENTITIES, StoredPicture, World

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/tiff": "TIFF"}
_XML_TYPES = ("application/xml", "text/xml")
_ONSITE = "/SuperOffice/api"
_ONLINE = "/online<int:host>/<tenant>/api"


def image_api(world: World) -> Blueprint:
    """The routes, onsite and Online."""
    api = Blueprint("image_api", __name__)
    for base in (_ONSITE, _ONLINE):
        kind = "onsite" if base == _ONSITE else "online"

        def route(path: str, view: Any, methods: list[str], base: str = base, kind: str = kind) -> None:
            api.add_url_rule(
                base + path,
                f"{kind}_{view.__name__}",
                _let_in(world, view, online=kind == "online"),
                methods=methods,
                strict_slashes=False,
            )

        route("", _version, ["GET"])
        route("/v1/User/currentPrincipal", _principal, ["GET"])
        route("/v1/<entity>/<int:entity_id>/Image", _put_image, ["PUT", "POST"])
        route("/v1/<entity>/<int:entity_id>/Image", _get_image, ["GET"])
        route("/v1/<entity>/<int:entity_id>/Image", _delete_image, ["DELETE"])
        route("/v1/<entity>/<int:entity_id>/ImageInfo", _image_info, ["GET"])
    return api


def _let_in(world: World, view: Any, *, online: bool) -> Any:
    def guarded(host: int = 0, tenant: str = "", **arguments: Any) -> Response:
        if online and tenant.lower() != world.tenant.name.lower():
            return _error(404, "SoNotFoundException", "There is no such tenant here.")
        if online and host != world.tenant.host:
            return Response("Misdirected Request", 421, content_type="text/plain")
        if online and not world.tenant.running:
            return Response("<h1>The tenant is in maintenance</h1>", 503, content_type="text/html")
        if not _credential_accepted(world, request, online=online):
            return _error(world.refusal_status, "SoSessionException", "Authentication failed.")
        return view(world, **arguments)  # type: ignore[no-any-return]  # the views below answer with Response

    return guarded


def _credential_accepted(world: World, called: Request, *, online: bool) -> bool:
    users = world.users
    scheme, _, value = called.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        pair = base64.b64encode(f"{users.username}:{users.password}".encode()).decode()
        return not online and _same(value, pair)
    if scheme.lower() == "soticket":
        app_token = called.headers.get("SO-AppToken", "")
        return (not online or _same(app_token, users.client_secret)) and world.ticket_lives(value)
    if scheme.lower() == "bearer":
        return users.access_tokens.get(value, 0.0) > world.now()
    xsrf = called.headers.get("X-XSRF-TOKEN", "")
    return not online and _same(xsrf, users.xsrf_token) and _same(called.headers.get("Cookie", ""), users.cookie)


def _same(given: str, true: str) -> bool:
    return hmac.compare_digest(given.encode(), true.encode())


def _version(world: World) -> Response:
    return _document({"ApiVersion": "8", "ContextIdentifier": world.tenant.name, "Name": "SuperOffice stand-in"})


def _principal(world: World) -> Response:
    return _document({"Associate": world.users.username, "AssociateId": 5, "IsPersonAlive": True})


def _put_image(world: World, entity: str, entity_id: int) -> Response:
    entity = entity.lower()
    if refusal := _no_record(world, entity, entity_id):
        return refusal
    data, content_type = _uploaded(request)
    if content_type not in _FORMATS:
        return _error(415, "SoException", "The content type is none of image/png, image/jpeg, image/gif, image/tiff.")
    if not data:
        return _error(400, "ArgumentException", "Image bitmap is missing from body.")
    try:
        with Image.open(io.BytesIO(data), formats=[_FORMATS[content_type]]) as picture:
            picture.load()
            size = picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return _error(400, "ArgumentException", "Image bitmap in the body is not valid.")
    return _document(world.store(entity, entity_id, data, content_type, size))


def _uploaded(called: Request) -> tuple[bytes, str]:
    if called.mimetype == "multipart/form-data":
        field = called.files.get("image")
        return (field.read(), field.mimetype) if field else (b"", "image/png")
    return called.get_data(), called.mimetype


def _get_image(world: World, entity: str, entity_id: int) -> Response:
    if refusal := _no_record(world, entity.lower(), entity_id):
        return refusal
    shown = world.shown(entity.lower(), entity_id)
    if shown is None:
        return _error(404, "SoNotFoundException", "There is no image.")
    kind = request.args.get("type", "").lower()
    if not (request.args.keys() & {"w", "h"} or kind):
        return Response(shown.data, content_type=shown.content_type)
    return _scaled(shown, request.args.get("w", type=int), request.args.get("h", type=int), kind)


def _scaled(shown: StoredPicture, width: int | None, height: int | None, kind: str) -> Response:
    name = {"jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "png": "PNG"}.get(kind, _FORMATS[shown.content_type])
    with Image.open(io.BytesIO(shown.data)) as picture:
        picture.thumbnail((width or picture.width, height or picture.height))
        out = io.BytesIO()
        (picture.convert("RGB") if name == "JPEG" else picture).save(out, name)
    return Response(out.getvalue(), content_type=f"image/{name.lower()}")


def _delete_image(world: World, entity: str, entity_id: int) -> Response:
    if refusal := _no_record(world, entity.lower(), entity_id):
        return refusal
    with world.lock:
        world.deleted_pictures.add((entity.lower(), entity_id))
    return Response(status=204)


def _image_info(world: World, entity: str, entity_id: int) -> Response:
    shown = world.shown(entity.lower(), entity_id)
    return _document(
        {
            "BlobId": shown.blob_id if shown else 0,
            "BlobSize": len(shown.data) if shown else 0,
            "OriginalSize": len(shown.data) if shown else 0,
            "MimeType": shown.content_type if shown else "",
            "Description": "",
            "ExtraInfo": f"{shown.width}x{shown.height}" if shown else "",
            "ConceptualType": f"{entity.lower()}Image",
        }
    )


def _no_record(world: World, entity: str, entity_id: int) -> Response | None:
    if entity not in ENTITIES:
        return Response("<h1>404 - File or directory not found.</h1>", 404, content_type="text/html")
    if world.knows(entity, entity_id):
        return None
    if entity == "person":
        return _error(400, "ArgumentException", "Person id is not valid.")
    return _error(world.unknown_status, "SoNotFoundException", f"The {entity} does not exist.")


def _wanted_type() -> str:
    accepted = request.headers.get("Accept", "").split(";")[0].strip().lower()
    return accepted if accepted in ("text/json", *_XML_TYPES) else "application/json"


def _document(content: dict[str, Any] | int, status: int = 200) -> Response:
    """The content as JSON or XML, whichever the call accepts."""
    wanted = _wanted_type()
    text = f'<?xml version="1.0" encoding="utf-8"?>{_xml(content)}' if wanted in _XML_TYPES else json.dumps(content)
    return Response(text, status, content_type=f"{wanted}; charset=utf-8")


def _xml(content: dict[str, Any] | int) -> str:
    if isinstance(content, int):
        return f'<int xmlns="http://schemas.microsoft.com/2003/10/Serialization/">{content}</int>'
    return "<Result>" + "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in content.items()) + "</Result>"


def _error(status: int, kind: str, message: str) -> Response:
    return _document(
        {"Error": True, "ErrorType": kind, "ErrorMessage": message, "ErrorSource": "SuperOffice stand-in"}, status
    )
