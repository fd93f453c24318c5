"""Which SuperOffice record an object's picture is for (docs/reference.md, "Uploading")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Literal, get_args

from image_ingest.errors import Rejected

EntityType = Literal["person", "project", "contact", "product"]
ENTITY_TYPES: tuple[EntityType, ...] = get_args(EntityType)

MAX_ENTITY_ID = 2**31 - 1  # SuperOffice ids are int32
_ALIKE = 0.8  # of 1: the share of letters that two names have in common
_MAX_NAME = 60
_TYPE_KEY, _ID_KEY = "entity-type", "entity-id"


@dataclass(frozen=True)
class Target:
    """A SuperOffice record that takes a picture."""

    entity_type: EntityType
    entity_id: int

    def __str__(self) -> str:
        return f"{self.entity_type}#{self.entity_id}"


def find_target(metadata: Mapping[str, str], key: str, key_pattern: re.Pattern[str] | None) -> Target:
    """The target that an object's user metadata names or, where it has neither name, its key by the pattern.

    Raises Rejected `target.missing`, `target.unknown-entity-type`, `target.invalid-id`.
    """
    named = {name.lower(): value for name, value in metadata.items()}
    entity_type, entity_id = named.get(_TYPE_KEY), named.get(_ID_KEY)
    if entity_type is None and entity_id is None and key_pattern is not None:
        return _find_target_in_key(key, key_pattern)
    if entity_type is None or entity_id is None:
        missing = [name for name, value in ((_TYPE_KEY, entity_type), (_ID_KEY, entity_id)) if value is None]
        raise Rejected(
            "target.missing", f"The object's metadata lacks {' and '.join(missing)}.{_hint_at_mistakes(missing, named)}"
        )
    return _build_target(_decode(entity_type), _decode(entity_id))


def _find_target_in_key(key: str, key_pattern: re.Pattern[str]) -> Target:
    match = key_pattern.match(key)
    if match is None or match["entity_type"] is None or match["entity_id"] is None:
        raise Rejected(
            "target.missing",
            "The object has neither entity-type nor entity-id metadata, and its key does not match TARGET_KEY_PATTERN.",
        )
    return _build_target(match["entity_type"], match["entity_id"])


def _build_target(entity_type: str, entity_id: str) -> Target:
    kind = entity_type.strip().lower()
    if kind not in ENTITY_TYPES:
        raise Rejected("target.unknown-entity-type", f"entity-type must be one of {', '.join(ENTITY_TYPES)}.")
    digits = entity_id.strip()
    significant = digits.lstrip("0")
    if not (
        digits.isascii() and digits.isdigit() and 1 <= len(significant) <= 10 and int(significant) <= MAX_ENTITY_ID
    ):
        raise Rejected("target.invalid-id", f"entity-id must be a whole number from 1 to {MAX_ENTITY_ID}.")
    return Target(kind, int(significant))


def _hint_at_mistakes(missing: Sequence[str], names: Iterable[str]) -> str:
    """A sentence on names that were probably meant to be the missing ones, such as `x-amz-meta-entity-id`."""
    found = [(name, meant) for name in names for meant in missing if name != meant and _looks_like(name, meant)]
    return "".join(f" It has {name[:_MAX_NAME]}, which should be {meant}." for name, meant in found[:2])


def _looks_like(name: str, meant: str) -> bool:
    letters = re.sub("[^a-z]", "", name.removeprefix("x-amz-meta-"))
    return SequenceMatcher(None, letters, meant.replace("-", "")).ratio() >= _ALIKE


def _decode(value: str) -> str:
    """The value without RFC 2047 encoding, which S3 uses for metadata outside US-ASCII."""
    if "=?" not in value:
        return value
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii")
            for part, charset in decode_header(value.strip())
        )
    except (HeaderParseError, LookupError, ValueError):  # also of charsets that are unknown or no charsets
        return value
