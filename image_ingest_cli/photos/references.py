"""The record that a spreadsheet's row or a file's name refers to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from image_ingest.errors import Rejected
from image_ingest.target import ENTITY_TYPES, EntityType, Target, find_target

IDENTIFIERS: dict[str, tuple[EntityType, ...]] = {
    "entity_id": ENTITY_TYPES,
    "email": ("person",),
    "associate_id": ("person",),
    "number": ("contact",),
    "orgnr": ("contact",),
}
_TRAILING_ZEROS = re.compile(r"(\d+)[.,]0+")


@dataclass(frozen=True, slots=True)
class RecordReference:
    """One record: by its SuperOffice id (`column` is entity_id), or by a value that SuperOffice is searched for."""

    entity_type: EntityType
    column: str
    value: str
    name: str | None = None

    @property
    def target(self) -> Target | None:
        """The record, if the reference contains its id."""
        return Target(self.entity_type, int(self.value)) if self.column == "entity_id" else None

    @property
    def needs_superoffice(self) -> bool:
        """Whether only SuperOffice can tell which record this is, or whether its name is right."""
        return self.target is None or self.name is not None


def parse_reference(values: Mapping[str, str], entity_type: EntityType | None) -> RecordReference:
    """The record that these columns name. Raises ValueError saying what is missing or contradictory."""
    kind = parse_kind(values.get("entity_type"), entity_type)
    given = {
        column: values[column].strip()
        for column, kinds in IDENTIFIERS.items()
        if values.get(column, "").strip() and (kind is None or kind in kinds)
    }
    if len(given) > 1:
        raise ValueError(f"identifies the record in {len(given)} ways ({', '.join(given)}); keep one of them")
    if not given:
        wanted = [column for column, kinds in IDENTIFIERS.items() if kind is None or kind in kinds]
        raise ValueError(f"does not say whose picture it is; fill in {' or '.join(wanted)}")
    ((column, value),) = given.items()
    kinds = IDENTIFIERS[column]
    kind = kind or (kinds[0] if len(kinds) == 1 else None)
    if kind is None:
        raise ValueError("needs an entity_type (person, project, contact or product), or the option --entity")
    name = values.get("name", "").strip() or None
    return RecordReference(kind, column, _check_value(kind, column, value), name)


def parse_kind(text: str | None, default: EntityType | None) -> EntityType | None:
    """The entity type in the text, else the default. Raises ValueError if it is unknown or contradicts the default."""
    if not text or not text.strip():
        return default
    kind = _parse_target(text, "1").entity_type
    if default is not None and kind != default:
        raise ValueError(f"says {kind}, but --entity or the header says {default}")
    return kind


def _check_value(kind: EntityType, column: str, value: str) -> str:
    if column == "entity_id":
        return str(_parse_target(kind, value).entity_id)
    if column == "associate_id":
        number = _strip_zeros(value)
        if not number.isascii() or not number.isdigit() or int(number) == 0:
            raise ValueError("associate_id must be a whole number")
        return number
    if column == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValueError("email is not an e-mail address")
    return value if column == "email" else _strip_zeros(value)


def _parse_target(kind: str, value: str) -> Target:
    try:
        return find_target({"entity-type": kind, "entity-id": _strip_zeros(value)}, "", None)
    except Rejected as refusal:
        raise ValueError(refusal.message.rstrip(".")) from None


def _strip_zeros(value: str) -> str:
    """Spreadsheets turn a whole number into 123.0."""
    match = _TRAILING_ZEROS.fullmatch(value)
    return match[1] if match else value
