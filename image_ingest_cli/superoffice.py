"""What this command line asks SuperOffice: which record is meant, which records have pictures, delete one.

Archive columns (email/emailAddress, number, orgnr) and the entities' fields are those of SuperOffice's REST reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.superoffice import ApiRequest, Calls, ImageInfo, Response, Secret, SuperOffice, describe_response
from image_ingest.target import EntityType, Target
from image_ingest_cli.errors import CommandError

CALL_SECONDS = 120.0  # for one question with its waits, logins and retries
_ENTITY_FIELDS = {
    "person": "PersonId,Firstname,MiddleName,Lastname,FullName",
    "contact": "ContactId,Name,Department",
    "project": "ProjectId,Name",
    "product": "Name",
}
_SEARCHES: dict[str, tuple[EntityType, str, str, str]] = {
    "email": ("person", "personId", "fullName", "email/emailAddress"),
    "number": ("contact", "contactId", "name", "number"),
    "orgnr": ("contact", "contactId", "name", "orgnr"),
}
_MOST_ROWS = 100  # of a search
_PEOPLE_AT_ONCE = 40  # pictures of one GetPersonImages; scaled to thumbnails they fit in a bounded response
_THUMBNAIL = 8  # pixels
_MISSING = (400, 404)


@dataclass(frozen=True)
class Record:
    """A record in SuperOffice; `names` are the forms in which SuperOffice writes its name."""

    target: Target
    names: tuple[str, ...]


class Crm:
    """SuperOffice as an operator needs it, through the function's own client.

    Every method raises Deferred `superoffice.*`, `credentials.invalid`, `aws.*`, and CommandError if SuperOffice
    refuses.
    """

    def __init__(self, client: SuperOffice) -> None:
        self._client = client
        self._lists_pictures = True

    def get_secret(self) -> Secret:
        """The stack's secret."""
        return self._client.secret(_start_deadline())

    def get_tenant(self) -> str:
        """The tenant that the secret names."""
        return self._client.tenant(_start_deadline())

    def find_address(self) -> str:
        """Where the API is now; Online, the state service is asked, and the tenant must be running."""
        return self._client.find_api(_start_deadline(), Calls())

    def get_version(self) -> Response:
        """The API's version document, a harmless read."""
        return self._call("GET", "")

    def get_principal(self) -> Response:
        """The user that the credential stands for, a harmless read."""
        return self._call("GET", "v1/User/currentPrincipal")

    def search(self, column: str, value: str) -> list[Record]:
        """The records whose `email`, `number` or `orgnr` is this value, in any case.

        Raises ValueError if there are too many similar ones to be sure.
        """
        entity, key, name, archive_column = _SEARCHES[column]
        query = {
            "$select": f"{key},{name},{archive_column}",
            "$filter": _write_filter(archive_column, value),
            "$top": str(_MOST_ROWS),
        }
        document = self._read("GET", f"v1/{entity.capitalize()}?{urlencode(query, quote_via=quote)}")
        rows = document.get("value")
        if not isinstance(rows, list):
            raise CommandError("SuperOffice's response to a search is not the documented one. Check base_url.")
        if len(rows) >= _MOST_ROWS:
            raise ValueError(f"SuperOffice has too many records with a similar {column}; use entity_id instead")
        same = [row for row in rows if str(row.get(archive_column, value)).casefold() == value.casefold()]
        targets = {Target(entity, int(row.get(key) or row["PrimaryKey"])): row for row in same}
        return [Record(target, _read_texts(row, name)) for target, row in targets.items()]

    def find_person_of_associate(self, associate_id: int) -> Record | None:
        """The person of this SuperOffice user; None for no such associate, and for resources and systems."""
        query = urlencode({"associateId": associate_id, "$select": "AssociateId,PersonId,FullName"})
        associate = self._read("POST", f"v1/Agents/Associate/GetAssociate?{query}", missing=_MISSING)
        person_id = associate.get("PersonId") or 0
        if associate.get("AssociateId") != associate_id or person_id <= 0:
            return None
        return Record(Target("person", person_id), _read_texts(associate, "FullName"))

    def find_record(self, target: Target) -> Record | None:
        """The target's record; None if SuperOffice has none."""
        kind = target.entity_type
        query = urlencode({"$select": _ENTITY_FIELDS[kind]}, quote_via=quote)
        entity = self._read("GET", f"v1/{kind.capitalize()}/{target.entity_id}?{query}", missing=_MISSING)
        if not entity:
            return None
        first, *between = (entity.get(name) or "" for name in ("Firstname", "MiddleName", "Lastname"))
        names = (*_read_texts(entity, "FullName", "Name"), " ".join(filter(None, (first, *between))))
        if entity.get("Department"):
            names += (f"{entity.get('Name')} {entity['Department']}",)
        return Record(target, tuple(filter(None, names)))

    def has_picture(self, target: Target) -> bool:
        """Whether the record shows a picture, whoever stored it."""
        try:
            return self.get_image_info(target) is not None
        except Rejected as refusal:
            raise CommandError(f"{refusal.message} The credential lacks permission to read this.") from None

    def get_image_info(self, target: Target) -> ImageInfo | None:
        """What SuperOffice says about the picture that the record shows; None if there is none. Raises Rejected too."""
        return self._client.image_info(target, _start_deadline(), Calls())

    def find_pictures(self, targets: Sequence[Target]) -> Iterable[tuple[Target, bool]]:
        """Each target, and whether its record shows a picture. People are asked about in batches where possible."""
        people = [target for target in targets if target.entity_type == "person"]
        for start in range(0, len(people), _PEOPLE_AT_ONCE):
            batch = people[start : start + _PEOPLE_AT_ONCE]
            shown = self._list_pictures([target.entity_id for target in batch])
            for target in batch:
                yield target, self.has_picture(target) if shown is None else target.entity_id in shown
        for target in targets:
            if target.entity_type != "person":
                yield target, self.has_picture(target)

    def delete_picture(self, target: Target) -> bool:
        """Deletes the record's picture; False if there was no such record or picture."""
        try:
            return self._client.delete_image(target, _start_deadline(), Calls())
        except Rejected as refusal:
            if refusal.code == "superoffice.bad-request":
                return False
            raise CommandError(refusal.message) from None

    def _list_pictures(self, person_ids: list[int]) -> set[int] | None:
        """Those of the people who have a picture; None if this SuperOffice cannot list them."""
        if not self._lists_pictures:
            return None
        body = {"PersonIds": person_ids, "ScaledWidth": _THUMBNAIL, "ScaledHeight": _THUMBNAIL}
        response = self._call("POST", "v1/Agents/Person/GetPersonImages", body)
        pictures = _parse_json(response) if response.status == 200 else None
        if not isinstance(pictures, list) or not all(isinstance(one, dict) for one in pictures):
            self._lists_pictures = False
            return None
        return {one["PersonId"] for one in pictures if one.get("ImageData") and isinstance(one.get("PersonId"), int)}

    def _read(self, method: str, path: str, missing: tuple[int, ...] = ()) -> Mapping[str, Any]:
        """The JSON object of a 200; empty if nothing is there."""
        response = self._call(method, path)
        if response.status == 204 or (response.status in missing and response.error_message is not None):
            return {}
        if response.status != 200:
            hint = " The credential lacks permission to read this." if response.status in {401, 403} else ""
            raise CommandError(f"{describe_response(response)}.{hint}")
        document = _parse_json(response)
        if not isinstance(document, dict):
            raise Deferred("superoffice.unexpected-answer", "The response is not from SuperOffice's API.")
        return document

    def _call(self, method: str, path: str, body: object = None) -> Response:
        """The final response, whatever its status."""
        if body is None:
            request = ApiRequest(method, path)
        else:
            request = ApiRequest(method, path, {"Content-Type": "application/json"}, json.dumps(body).encode())
        return self._client.call(request, _start_deadline(), Calls())


def _start_deadline() -> Deadline:
    return Deadline(CALL_SECONDS)


def _parse_json(response: Response) -> Any:
    try:
        return json.loads(response.body.decode("utf-8-sig"))
    except ValueError:
        return None


def _write_filter(column: str, value: str) -> str:
    """A filter that every reading of a quote accepts: sources disagree on how to escape one, so none is sent."""
    parts = re.split(r"['\\]", value)
    if len(parts) == 1:
        return f"{column} is '{value}'"
    return f"{column} contains '{max(parts, key=len)}'"


def _read_texts(document: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    return tuple(str(document[field]) for field in fields if document.get(field))
