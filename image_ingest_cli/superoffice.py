"""What this command line asks of SuperOffice beside what the function does: looking records up, deleting a picture.

Archive columns (email/emailAddress, number, orgnr) and the entities' fields are those of SuperOffice's REST reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.superoffice import ApiRequest, Calls, Response, Secret, SuperOffice, describe_response
from image_ingest.target import EntityType, Target
from image_ingest_cli.errors import Trouble

CALL_SECONDS = 120.0  # for one question with its waits, logins and retries
_ENTITY_FIELDS = {
    "person": "PersonId,Firstname,MiddleName,Lastname,FullName",
    "contact": "ContactId,Name,Department",
    "project": "ProjectId,Name",
    "product": "Name",
}
_ARCHIVES = {
    "email": ("person", "personId", "fullName", "email/emailAddress"),
    "number": ("contact", "contactId", "name", "number"),
    "orgnr": ("contact", "contactId", "name", "orgnr"),
}


@dataclass(frozen=True)
class Record:
    """A record of SuperOffice's; `names` are the forms in which it writes the name."""

    target: Target
    names: tuple[str, ...]


class Crm:
    """SuperOffice as an operator needs it, through the function's own client.

    Every method raises Deferred `superoffice.*`, `credentials.invalid`, `aws.*`, and Trouble where SuperOffice refuses.
    """

    def __init__(self, client: SuperOffice) -> None:
        self._client = client

    def secret(self) -> Secret:
        """The stack's secret."""
        return self._client.secret(_deadline())

    def own_tenant(self) -> str:
        """The tenant that the secret names."""
        return self._client.tenant(_deadline())

    def address(self) -> str:
        """Where the API is now; Online the state service is asked, which must say that the tenant runs."""
        return self._client.find_api(_deadline(), Calls())

    def version(self) -> Response:
        """The API's version document, a harmless read."""
        return self.ask("GET", "")

    def principal(self) -> Response:
        """Who the credential is, a harmless read."""
        return self.ask("GET", "v1/User/currentPrincipal")

    def find(self, column: str, value: str) -> list[Record]:
        """The records whose `email`, `number` or `orgnr` is exactly this."""
        entity, key, name, archive_column = _ARCHIVES[column]
        query = {"$select": f"{key},{name}", "$filter": f"{archive_column} eq {_literal(value)}", "$top": "10"}
        rows = self._document("GET", f"v1/{entity.capitalize()}?{urlencode(query, quote_via=quote)}").get("value")
        if not isinstance(rows, list):
            raise Trouble("SuperOffice's answer to a search is not the documented one; check base_url.")
        found = {}
        for row in rows:
            target = Target(_entity(entity), int(row.get(key) or row["PrimaryKey"]))
            found[target] = Record(target, tuple(text for text in [row.get(name)] if text))
        return list(found.values())

    def person_of_associate(self, associate_id: int) -> Record | None:
        """The person that this user of SuperOffice is; None for no such associate, and for resources and systems."""
        query = urlencode({"associateId": associate_id, "$select": "AssociateId,PersonId,FullName"})
        associate = self._document("POST", f"v1/Agents/Associate/GetAssociate?{query}", missing=(400, 404))
        person_id = associate.get("PersonId") or 0
        if associate.get("AssociateId") != associate_id or person_id <= 0:
            return None
        return Record(Target("person", person_id), _texts(associate, "FullName"))

    def record(self, target: Target) -> Record | None:
        """The target's record; None where SuperOffice has none."""
        kind = target.entity_type
        query = urlencode({"$select": _ENTITY_FIELDS[kind]}, quote_via=quote)
        entity = self._document("GET", f"v1/{kind.capitalize()}/{target.entity_id}?{query}", missing=(400, 404))
        if not entity:
            return None
        first, *between = (entity.get(name) or "" for name in ("Firstname", "MiddleName", "Lastname"))
        names = (*_texts(entity, "FullName", "Name"), " ".join(filter(None, (first, *between))))
        if entity.get("Department"):
            names += (f"{entity.get('Name')} {entity['Department']}",)
        return Record(target, tuple(filter(None, names)))

    def has_picture(self, target: Target) -> bool:
        """Whether the record shows a picture, whoever stored it."""
        try:
            return self._client.image_info(target, _deadline(), Calls()) is not None
        except Rejected as refusal:
            raise Trouble(f"{refusal.message} The credential may not read this.") from None

    def delete_picture(self, target: Target) -> bool:
        """Deletes the record's picture; False where there was no such record or picture."""
        try:
            return self._client.delete_image(target, _deadline(), Calls())
        except Rejected as refusal:
            if refusal.code == "superoffice.bad-request":
                return False
            raise Trouble(refusal.message) from None

    def ask(self, method: str, path: str) -> Response:
        """The final response to a call, whatever its status."""
        return self._client.call(ApiRequest(method, path), _deadline(), Calls())

    def _document(self, method: str, path: str, missing: tuple[int, ...] = ()) -> Mapping[str, Any]:
        response = self.ask(method, path)
        if response.status == 204 or (response.status in missing and response.error_message is not None):
            return {}
        if response.status != 200:
            raise _refusal(response)
        try:
            document = json.loads(response.body.decode("utf-8-sig"))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Deferred("superoffice.unexpected-answer", "What answered is not SuperOffice's API; check base_url.")
        return document


def _refusal(response: Response) -> Trouble:
    hint = " The credential may not read this." if response.status in {401, 403} else ""
    return Trouble(f"{describe_response(response)}.{hint}")


def _deadline() -> Deadline:
    return Deadline(CALL_SECONDS)


def _literal(value: str) -> str:
    """A text in an OData filter, in which a quote is doubled."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def _texts(document: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    return tuple(str(document[field]) for field in fields if document.get(field))


def _entity(name: str) -> EntityType:
    return "person" if name == "person" else "contact"
