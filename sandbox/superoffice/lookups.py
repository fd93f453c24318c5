"""Finding records: archive searches by one column, entities by id, and the person of an associate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from sandbox.superoffice.rest import add_route, make_document, make_error
from sandbox.superoffice.state import ENTITIES, State

_COLUMNS = {"email/emailAddress": "email", "number": "number", "orgnr": "orgnr"}
# Sources disagree on how to write a quote or backslash, so a filter that contains one is refused.
_FILTER = re.compile(r"(?P<column>[\w/]+) (?P<operator>is|contains) '(?P<value>[^'\\]*)'")


@dataclass(frozen=True)
class DirectoryEntry:
    """What the stand-in knows about a record apart from its picture."""

    entity: str
    entity_id: int
    name: str
    email: str | None = None
    number: str | None = None
    orgnr: str | None = None
    associate_id: int | None = None


@dataclass
class Directory:
    """The records that can be found. Every other known id has a name made from its number."""

    entries: list[DirectoryEntry] = field(default_factory=list)

    def add(self, entity: str, entity_id: int, name: str, **details: Any) -> None:
        """`details`: email, associate_id for a person; number, orgnr for a contact."""
        self.entries.append(DirectoryEntry(entity, entity_id, name, **details))

    def get_name(self, entity: str, entity_id: int) -> str:
        """The record's name."""
        names = [e.name for e in self.entries if (e.entity, e.entity_id) == (entity, entity_id)]
        return names[0] if names else f"{entity.capitalize()} {entity_id}"


def make_lookups(state: State, directory: Directory) -> Blueprint:
    """The routes, onsite and Online."""
    api = Blueprint("lookups", __name__)

    def search(_state: State, entity: str) -> Response:
        match = _FILTER.fullmatch(request.args.get("$filter", ""))
        if entity.lower() not in ENTITIES or match is None or match["column"] not in _COLUMNS:
            return make_error(400, "SoException", "The stand-in does not support this filter.")
        column, value = _COLUMNS[match["column"]], match["value"].casefold()
        known = [(e, (getattr(e, column) or "").casefold()) for e in directory.entries if e.entity == entity.lower()]
        found = [e for e, text in known if (value == text if match["operator"] == "is" else value in text)]
        rows = [_make_row(entry) | {match["column"]: getattr(entry, column)} for entry in found]
        return make_document({"value": rows[: request.args.get("$top", default=1000, type=int)]})

    def get_record(state: State, entity: str, entity_id: int) -> Response:
        if entity.lower() not in ENTITIES or not state.has_record(entity.lower(), entity_id):
            return make_error(404, "SoNotFoundException", f"The {entity.lower()} does not exist.")
        name = directory.get_name(entity.lower(), entity_id)
        if entity.lower() != "person":
            return make_document({f"{entity.capitalize()}Id": entity_id, "Name": name, "Department": ""})
        first, _, last = name.rpartition(" ")
        return make_document({"PersonId": entity_id, "Firstname": first, "Lastname": last, "FullName": name})

    def get_associate(_state: State) -> Response:
        wanted = request.args.get("associateId", type=int)
        entry = next((e for e in directory.entries if e.associate_id == wanted), None)
        if entry is None:
            return make_document({"AssociateId": 0, "PersonId": 0, "FullName": ""})
        return make_document({"AssociateId": entry.associate_id, "PersonId": entry.entity_id, "FullName": entry.name})

    add_route(api, state, "/v1/<entity>", search, ["GET"])
    add_route(api, state, "/v1/<entity>/<int:entity_id>", get_record, ["GET"])
    add_route(api, state, "/v1/Agents/Associate/GetAssociate", get_associate, ["POST"])
    return api


def _make_row(entry: DirectoryEntry) -> dict[str, Any]:
    row = {"PrimaryKey": str(entry.entity_id), "EntityName": entry.entity, f"{entry.entity}Id": entry.entity_id}
    return row | {"fullName" if entry.entity == "person" else "name": entry.name}
