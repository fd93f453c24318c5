"""Looking records up: archive searches by one column, entities by id, and the person behind an associate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from sandbox.superoffice.image_api import _ONLINE, _ONSITE, _document, _error, _let_in
from sandbox.superoffice.state import ENTITIES, World

_COLUMNS = {"email/emailAddress": "email", "number": "number", "orgnr": "orgnr"}
_FILTER = re.compile(r"(?P<column>[\w/]+) eq '(?P<value>(?:[^']|'')*)'")


@dataclass(frozen=True)
class Entry:
    """What is known of a record beside its picture."""

    entity: str
    entity_id: int
    name: str
    email: str | None = None
    number: str | None = None
    orgnr: str | None = None
    associate_id: int | None = None


@dataclass
class Directory:
    """The records that can be found; every other known id has a name made from its number."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, entity: str, entity_id: int, name: str, **known: Any) -> None:
        """`known`: email, associate_id for a person; number, orgnr for a contact."""
        self.entries.append(Entry(entity, entity_id, name, **known))

    def name_of(self, entity: str, entity_id: int) -> str:
        """The record's name."""
        names = [e.name for e in self.entries if (e.entity, e.entity_id) == (entity, entity_id)]
        return names[0] if names else f"{entity.capitalize()} {entity_id}"


def lookups(world: World, directory: Directory) -> Blueprint:
    """The routes, onsite and Online."""
    api = Blueprint("lookups", __name__)

    def search(_world: World, entity: str) -> Response:
        match = _FILTER.fullmatch(request.args.get("$filter", ""))
        if entity.lower() not in ENTITIES or match is None or match["column"] not in _COLUMNS:
            return _error(400, "SoException", "The filter is not one that the stand-in knows.")
        column, value = _COLUMNS[match["column"]], match["value"].replace("''", "'").casefold()
        found = [
            e
            for e in directory.entries
            if e.entity == entity.lower() and (getattr(e, column) or "").casefold() == value
        ]
        return _document({"value": [_row(entry) for entry in found]})

    def record(world: World, entity: str, entity_id: int) -> Response:
        if entity.lower() not in ENTITIES or not world.knows(entity.lower(), entity_id):
            return _error(404, "SoNotFoundException", f"The {entity.lower()} does not exist.")
        name = directory.name_of(entity.lower(), entity_id)
        if entity.lower() != "person":
            return _document({f"{entity.capitalize()}Id": entity_id, "Name": name, "Department": ""})
        first, _, last = name.rpartition(" ")
        return _document({"PersonId": entity_id, "Firstname": first, "Lastname": last, "FullName": name})

    def associate(_world: World) -> Response:
        wanted = request.args.get("associateId", type=int)
        entry = next((e for e in directory.entries if e.associate_id == wanted), None)
        if entry is None:
            return _document({"AssociateId": 0, "PersonId": 0, "FullName": ""})
        return _document({"AssociateId": entry.associate_id, "PersonId": entry.entity_id, "FullName": entry.name})

    for base, online in ((_ONSITE, False), (_ONLINE, True)):
        for path, view, method in (
            ("/v1/<entity>", search, "GET"),
            ("/v1/<entity>/<int:entity_id>", record, "GET"),
            ("/v1/Agents/Associate/GetAssociate", associate, "POST"),
        ):
            endpoint = f"{'online' if online else 'onsite'}_{view.__name__}"
            api.add_url_rule(base + path, endpoint, _let_in(world, view, online=online), methods=[method])
    return api


def _row(entry: Entry) -> dict[str, Any]:
    row = {"PrimaryKey": str(entry.entity_id), "EntityName": entry.entity, f"{entry.entity}Id": entry.entity_id}
    return row | {"fullName" if entry.entity == "person" else "name": entry.name}
