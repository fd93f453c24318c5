"""What an answer means: a blob id, or a code of the catalogue."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from image_ingest.errors import Deferred, Rejected
from image_ingest.superoffice.transport import Answer

_MAX_INT32 = 2**31 - 1
_TEXT_LIMIT = 300  # characters of SuperOffice's own text that are passed on
_BARE_NUMBER = re.compile(r"\s*([1-9][0-9]{0,9})\s*")
_XML_NUMBER = re.compile(
    r"\s*(?:<\?xml[^<>]*\?>\s*)?<(?!html\b)([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>\s*([1-9][0-9]{0,9})\s*</\1\s*>\s*",
    re.IGNORECASE | re.ASCII,
)
Redact = Callable[[str], str]


def blob_id(answer: Answer, *, system_user: bool, redact: Redact, now: float) -> int:
    """The blob id of an image PUT's answer. Raises Rejected and Deferred `superoffice.*` (contract of error codes)."""
    if answer.status == 200:
        return _number(answer)
    said = error_message(answer)
    what = f"SuperOffice answered {answer.status}" + (f": {passed_on(said, redact)}" if said else "")
    if answer.status in (413, 415) or (answer.status in (400, 422) and said is not None):
        raise Rejected("superoffice.bad-request", f"{what}.")
    if answer.status == 404 and said is not None:
        raise Rejected("superoffice.not-found", f"{what}.")
    if answer.status == 403 and said is not None and not system_user:
        raise Rejected("superoffice.forbidden", f"{what}, also with a fresh credential.")
    raise Deferred(_deferring_code(answer.status, said), f"{what}.", retry_after=retry_after(answer, now))


def _deferring_code(status: int, said: str | None) -> str:
    if status == 401 or (status == 403 and said is not None):
        return "superoffice.unauthorized"
    if status == 421:
        return "superoffice.misdirected"
    if status == 429:
        return "superoffice.rate-limited"
    if 500 <= status <= 599 and status != 501:
        return "superoffice.unavailable"
    return "superoffice.unexpected-answer"


def service_document(answer: Answer, service: str, redact: Redact, now: float) -> dict[str, Any]:
    """The JSON object that the login or state service answered.

    Raises Deferred `superoffice.rate-limited` (429), `superoffice.unavailable` (5xx), `credentials.invalid`
    (other 4xx), `superoffice.unexpected-answer`.
    """
    if answer.status != 200:
        _refused(answer, service, redact, now)
    document = _json(answer)
    if not isinstance(document, dict):
        raise unexpected(service, "is no JSON object")
    return document


def unexpected(service: str, what: str) -> Deferred:
    """The service's answer is not one of SuperOffice's."""
    return Deferred("superoffice.unexpected-answer", f"The answer of SuperOffice's {service} {what}.")


def _refused(answer: Answer, service: str, redact: Redact, now: float) -> NoReturn:
    code = "superoffice.unexpected-answer"
    if answer.status == 429:
        code = "superoffice.rate-limited"
    elif 500 <= answer.status <= 599:
        code = "superoffice.unavailable"
    elif 400 <= answer.status <= 499:
        code = "credentials.invalid"
    said = error_message(answer) or _oauth_error(answer)
    reason = f": {passed_on(said, redact)}" if said else ""
    raise Deferred(
        code, f"SuperOffice's {service} answered {answer.status}{reason}.", retry_after=retry_after(answer, now)
    )


def error_message(answer: Answer) -> str | None:
    """The ErrorMessage of SuperOffice's error body, JSON or XML; None where the body is not SuperOffice's."""
    document = _json(answer)
    if isinstance(document, dict):
        said = document.get("ErrorMessage")
        return said if isinstance(said, str) else None
    return _xml_error_message(_text(answer))


def _oauth_error(answer: Answer) -> str | None:
    document = _json(answer)
    if not isinstance(document, dict):
        return None
    parts = [document.get(name) for name in ("error", "error_description")]
    return ": ".join(part for part in parts if isinstance(part, str)) or None


def passed_on(text: str, redact: Redact) -> str:
    """Foreign text made fit for a message: no secrets, one line, bounded."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", redact(text)).split()).rstrip(".")
    return line if len(line) <= _TEXT_LIMIT else line[:_TEXT_LIMIT] + "…"


def retry_after(answer: Answer, now: float) -> float | None:
    """Seconds from the Retry-After header, given as seconds or as a date; None without a usable one."""
    value = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return max(0.0, moment - now) if math.isfinite(moment) else None


def timestamp(text: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 text with any number of fractional digits; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(answer: Answer) -> int:
    text = _text(answer)
    bare, element = _BARE_NUMBER.fullmatch(text), _XML_NUMBER.fullmatch(text)
    number = int(bare[1]) if bare else int(element[2]) if element else 0
    if answer.truncated or not 1 <= number <= _MAX_INT32:
        kind = re.sub(r"[^\w/+.-]", "", answer.headers.get("Content-Type", "").split(";")[0])[:40] or "no content type"
        raise Deferred("superoffice.unexpected-answer", f"SuperOffice answered 200 without a blob id ({kind}).")
    return number


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8-sig", errors="replace")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(_text(answer))
    except (ValueError, RecursionError):
        return None


def _xml_error_message(text: str) -> str | None:
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
