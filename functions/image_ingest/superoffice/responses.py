"""What a response means: a blob id, an image info, or a code of the catalogue."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.superoffice.connection import Response

_MAX_INT32 = 2**31 - 1
_READ_LIMIT = 8192  # characters of SuperOffice's own text that are looked at
_TEXT_LIMIT = 300  # characters of it that a message quotes
_BARE_NUMBER = re.compile(r"\s*([1-9][0-9]{0,9})\s*")
_XML_NUMBER = re.compile(
    r"\s*(?:<\?xml[^<>]*\?>\s*)?<(?!html\b)([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>\s*([1-9][0-9]{0,9})\s*</\1\s*>\s*",
    re.IGNORECASE | re.ASCII,
)
Redact = Callable[[str], str]
_T = TypeVar("_T")


@dataclass(frozen=True)
class ImageInfo:
    """What SuperOffice reports about the picture that a record shows; None if it does not. Sizes in bytes."""

    blob_id: int
    blob_size: int | None = None
    original_size: int | None = None
    content_type: str | None = None
    updated_at: str | None = None


def add_error_message(response: Response, redact: Redact) -> Response:
    """The response with SuperOffice's own words in a form that a message can contain."""
    said = read_error_message(response)
    return response if said is None else replace(response, error_message=quote_text(said, redact))


def describe_response(response: Response) -> str:
    """The status and SuperOffice's own words, for a message; without a full stop."""
    said = f": {response.error_message}" if response.error_message else ""
    return f"SuperOffice answered {response.status}{said}"


def read_blob_id(response: Response, *, system_user: bool, now: float) -> int:
    """The blob id of an image PUT. Raises Rejected and Deferred `superoffice.*`."""
    if response.status != 200:
        raise _build_refusal(response, system_user=system_user, now=now)
    return _read_number(response)


def read_deletion(response: Response, *, system_user: bool, now: float) -> bool:
    """Whether there was a picture to delete. Raises Rejected and Deferred `superoffice.*`."""
    if 200 <= response.status <= 299:
        return True
    if response.status == 404 and response.error_message is not None:
        return False
    raise _build_refusal(response, system_user=system_user, now=now)


def read_image_info(response: Response, *, system_user: bool, now: float) -> ImageInfo | None:
    """The picture that the record shows; None without a picture or a record.

    Raises Rejected and Deferred `superoffice.*`.
    """
    if response.status in (400, 404) and response.error_message is not None:
        return None
    if response.status not in (200, 204):
        raise _build_refusal(response, system_user=system_user, now=now)
    return _parse_image_info(response)


def _build_refusal(response: Response, *, system_user: bool, now: float) -> IngestError:
    said, what = response.error_message, describe_response(response)
    if response.status in (413, 415) or (response.status in (400, 422) and said is not None):
        return Rejected("superoffice.bad-request", f"{what}.")
    if response.status == 404 and said is not None:
        return Rejected("superoffice.not-found", f"{what}.")
    if response.status == 403 and said is not None and not system_user:
        return Rejected("superoffice.forbidden", f"{what}, also with a fresh credential.")
    code = _choose_deferring_code(response.status, said)
    return Deferred(code, f"{what}.", retry_after=read_retry_after(response, now))


def _choose_deferring_code(status: int, said: str | None) -> str:
    if status == 401 or (status == 403 and said is not None):
        return "superoffice.unauthorized"
    if status == 421:
        return "superoffice.misdirected"
    if status == 429:
        return "superoffice.rate-limited"
    if 500 <= status <= 599 and status != 501:
        return "superoffice.unavailable"
    return "superoffice.unexpected-answer"


def read_service_object(response: Response, service: str, redact: Redact, now: float) -> dict[str, Any]:
    """The JSON object that the login or state service returned.

    Raises Deferred `superoffice.rate-limited` (429), `superoffice.unavailable` (5xx), `credentials.invalid`
    (other 4xx), `superoffice.unexpected-answer`.
    """
    if response.status != 200:
        raise _build_service_refusal(response, service, redact, now)
    document = _parse_json(response)
    if not isinstance(document, dict):
        raise build_unexpected(service, "is not a JSON object")
    return document


def build_unexpected(service: str, what: str) -> Deferred:
    """The failure for a response that SuperOffice's service never gives."""
    return Deferred("superoffice.unexpected-answer", f"The response of SuperOffice's {service} {what}.")


def _build_service_refusal(response: Response, service: str, redact: Redact, now: float) -> Deferred:
    code = "superoffice.unexpected-answer"
    if response.status == 429:
        code = "superoffice.rate-limited"
    elif 500 <= response.status <= 599:
        code = "superoffice.unavailable"
    elif 400 <= response.status <= 499:
        code = "credentials.invalid"
    said = read_error_message(response) or _read_oauth_error(response)
    reason = f": {quote_text(said, redact)}" if said else ""
    return Deferred(
        code,
        f"SuperOffice's {service} answered {response.status}{reason}.",
        retry_after=read_retry_after(response, now),
    )


def read_error_message(response: Response) -> str | None:
    """The ErrorMessage of SuperOffice's error body, JSON or XML; None where the body is not SuperOffice's."""
    document = _parse_json(response)
    if isinstance(document, dict):
        said = document.get("ErrorMessage")
        return said if isinstance(said, str) else None
    return _read_xml_error_message(_decode(response))


def _read_oauth_error(response: Response) -> str | None:
    document = _parse_json(response)
    if not isinstance(document, dict):
        return None
    parts = [document.get(name) for name in ("error", "error_description")]
    return ": ".join(part for part in parts if isinstance(part, str)) or None


def quote_text(text: str, redact: Redact) -> str:
    """Another system's text in the form that a message can contain: no secrets, one line, limited in length."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", redact(text[:_READ_LIMIT])).split()).rstrip(".")
    return line if len(line) <= _TEXT_LIMIT else line[:_TEXT_LIMIT] + "…"


def read_retry_after(response: Response, now: float) -> float | None:
    """Seconds from the Retry-After header, given as seconds or as a date; None without a usable one."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return max(0.0, moment - now) if math.isfinite(moment) else None


def parse_timestamp(text: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 text with any number of fractional digits; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _read_number(response: Response) -> int:
    text = _decode(response)
    bare, element = _BARE_NUMBER.fullmatch(text), _XML_NUMBER.fullmatch(text)
    number = int(bare[1]) if bare else int(element[2]) if element else 0
    if response.truncated or not 1 <= number <= _MAX_INT32:
        kind = (
            re.sub(r"[^\w/+.-]", "", response.headers.get("Content-Type", "").split(";")[0])[:40] or "no content type"
        )
        raise Deferred("superoffice.unexpected-answer", f"SuperOffice answered 200 without a blob id ({kind}).")
    return number


def _parse_image_info(response: Response) -> ImageInfo | None:
    """SuperOffice says "no picture" by an object without blob id, an empty text, null, or no body."""
    text = _decode(response).strip()
    document = _parse_json(response) if text not in ("", '""', "null") else {}
    if isinstance(document, dict):
        blob_id = document.get("BlobId")
        if blob_id in (None, 0):
            return None
        if type(blob_id) is int and 1 <= blob_id <= _MAX_INT32:
            return _build_image_info(blob_id, document)
    raise Deferred("superoffice.unexpected-answer", "SuperOffice answered 200 without an image info.")


def _build_image_info(blob_id: int, document: dict[str, Any]) -> ImageInfo:
    def get(name: str, kind: type[_T]) -> _T | None:
        value = document.get(name)
        return value if isinstance(value, kind) else None

    return ImageInfo(
        blob_id, get("BlobSize", int), get("OriginalSize", int), get("MimeType", str), get("UpdatedDate", str)
    )


def _decode(response: Response) -> str:
    return response.body.decode("utf-8-sig", errors="replace")


def _parse_json(response: Response) -> Any:
    try:
        return json.loads(_decode(response))
    except (ValueError, RecursionError):
        return None


def _read_xml_error_message(text: str) -> str | None:
    """Without a document type, and so without entities of its own, XML is safe to parse."""
    if not text.lstrip().startswith("<") or "<!DOCTYPE" in text or "ErrorMessage" not in text:
        return None
    from xml.etree import ElementTree as ET

    try:
        root = ET.fromstring(text)  # noqa: S314 - bounded text whose document type was refused above
    except ET.ParseError:
        return None
    found = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "ErrorMessage"), None)
    return None if found is None else found.text or ""
