"""The image endpoints of the four entities, and two reads that change nothing."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from flask import Blueprint, Request, Response, request
from PIL import Image, UnidentifiedImageError

from sandbox.superoffice.rest import add_route, make_document, make_error
from sandbox.superoffice.state import ENTITIES, State, StoredPicture

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/tiff": "TIFF"}


def make_image_api(state: State) -> Blueprint:
    """The routes, onsite and Online."""
    api = Blueprint("image_api", __name__)
    add_route(api, state, "", _get_version, ["GET"])
    add_route(api, state, "/v1/User/currentPrincipal", _get_principal, ["GET"])
    image = "/v1/<entity>/<int:entity_id>/Image"
    add_route(api, state, image, _put_image, ["PUT", "POST"])
    add_route(api, state, image, _get_image, ["GET"])
    add_route(api, state, image, _delete_image, ["DELETE"])
    add_route(api, state, f"{image}Info", _get_image_info, ["GET"])
    return api


def _get_version(state: State) -> Response:
    return make_document({"ApiVersion": "8", "ContextIdentifier": state.tenant.name, "Name": "SuperOffice stand-in"})


def _get_principal(state: State) -> Response:
    return make_document(
        {"Associate": state.users.username, "AssociateId": 5, "DatabaseContextIdentifier": state.tenant.name}
    )


def _put_image(state: State, entity: str, entity_id: int) -> Response:
    entity = entity.lower()
    if refusal := _refuse_unknown(state, entity, entity_id):
        return refusal
    data, content_type = _read_upload(request)
    if content_type not in FORMATS:
        return make_error(
            415, "SoException", "The content type is none of image/png, image/jpeg, image/gif, image/tiff."
        )
    if not data:
        return make_error(400, "ArgumentException", "Image bitmap is missing from body.")
    size = read_size(data, FORMATS[content_type])
    if size is None:
        return make_error(400, "ArgumentException", "Image bitmap in the body is not valid.")
    return make_document(state.store(entity, entity_id, data, content_type, size))


def read_size(data: bytes, *formats: str) -> tuple[int, int] | None:
    """Width and height of a picture that can be decoded, else None."""
    try:
        with Image.open(io.BytesIO(data), formats=formats or tuple(FORMATS.values())) as picture:
            picture.load()
            return picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def _read_upload(call: Request) -> tuple[bytes, str]:
    if call.mimetype == "multipart/form-data":
        field = call.files.get("image")
        return (field.read(), field.mimetype) if field else (b"", "image/png")
    return call.get_data(), call.mimetype


def _get_image(state: State, entity: str, entity_id: int) -> Response:
    if refusal := _refuse_unknown(state, entity.lower(), entity_id):
        return refusal
    shown = state.get_picture(entity.lower(), entity_id)
    if shown is None:
        return _show_nothing(request.args.get("ifBlank", "Null"))
    kind = request.args.get("type", "").lower()
    if not (request.args.keys() & {"w", "h"} or kind):
        return Response(shown.data, content_type=shown.content_type)
    name = {"jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "png": "PNG"}.get(kind, FORMATS[shown.content_type])
    data = scale(shown, request.args.get("w", type=int), request.args.get("h", type=int), name)
    return Response(data, content_type=f"image/{name.lower()}")


def _show_nothing(if_blank: str) -> Response:
    """A placeholder if the call asks for one, else 404."""
    if if_blank.lower() in ("null", ""):
        return make_error(404, "SoNotFoundException", "There is no image.")
    out = io.BytesIO()
    Image.new("RGBA", (1, 1)).save(out, "PNG")
    return Response(out.getvalue(), content_type="image/png")


def scale(shown: StoredPicture, width: int | None, height: int | None, name: str) -> bytes:
    """The picture within width and height, in the format of that name."""
    with Image.open(io.BytesIO(shown.data)) as picture:
        picture.thumbnail((width or picture.width, height or picture.height))
        out = io.BytesIO()
        (picture.convert("RGB") if name == "JPEG" else picture).save(out, name)
    return out.getvalue()


def _delete_image(state: State, entity: str, entity_id: int) -> Response:
    if refusal := _refuse_unknown(state, entity.lower(), entity_id):
        return refusal
    state.delete_picture(entity.lower(), entity_id)
    return Response(status=204)


def _get_image_info(state: State, entity: str, entity_id: int) -> Response:
    """Always 200, even for a record that does not exist."""
    shown = state.get_picture(entity.lower(), entity_id)
    if shown is None and state.no_picture != "properties":
        return Response(state.no_picture, content_type="application/json; charset=utf-8")
    return make_document(_describe_picture(shown, entity.lower()))


def _describe_picture(shown: StoredPicture | None, entity: str) -> dict[str, object]:
    if shown is None:
        names = ("MimeType", "Description", "ExtraInfo", "UpdatedDate", "ConceptualType")
        return {"BlobId": 0, "BlobSize": 0, "OriginalSize": 0, **dict.fromkeys(names, "")}
    updated = datetime.fromtimestamp(shown.at, UTC)
    return {
        "BlobId": shown.blob_id,
        "BlobSize": len(shown.data),
        "OriginalSize": len(shown.data),
        "MimeType": shown.content_type,
        "Description": "",
        "ExtraInfo": "",
        "UpdatedDate": f"{updated:%Y-%m-%dT%H:%M:%S.%f}5Z",
        "ConceptualType": f"{entity.upper()}PHOTO",
    }


def _refuse_unknown(state: State, entity: str, entity_id: int) -> Response | None:
    """The response to a call for a record that does not exist, or None."""
    if entity not in ENTITIES:
        return Response("<h1>404 - File or directory not found.</h1>", 404, content_type="text/html")
    if state.has_record(entity, entity_id):
        return None
    if entity == "person":
        return make_error(400, "ArgumentException", "Person id is not valid.")
    return make_error(state.unknown_status, "SoNotFoundException", f"The {entity} does not exist.")
