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
from image_ingest.errors import Deferred
from image_ingest.superoffice import Calls, SuperOffice
from image_ingest.superoffice.attempt import Attempt
from image_ingest.superoffice.responses import error_message, passed_on
from image_ingest.superoffice.secret_schema import SecretDocument
from image_ingest.superoffice.transport import Answer, Request
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


class Crm(SuperOffice):
    """SuperOffice as an operator needs it, through the function's own client.

    Every method raises Deferred `superoffice.*`, `credentials.invalid`, `aws.*`, and Trouble where SuperOffice refuses.
    """

    def document(self) -> SecretDocument:
        """The secret's document."""
        return self._current(_deadline()).document

    def own_tenant(self) -> str:
        """The tenant that the secret names."""
        return self.tenant(_deadline())

    def address(self) -> str:
        """Where the API is now; Online the state service is asked, which must say that the tenant runs."""
        deadline = _deadline()
        return self._current(deadline).tenant.api(Attempt(deadline, Calls()))

    def version(self) -> Answer:
        """The API's version document, a harmless read."""
        return self.ask("GET", "")

    def principal(self) -> Answer:
        """Who the credential is, a harmless read."""
        return self.ask("GET", "/v1/User/currentPrincipal")

    def find(self, column: str, value: str) -> list[Record]:
        """The records whose `email`, `number` or `orgnr` is exactly this."""
        entity, key, name, archive_column = _ARCHIVES[column]
        query = {"$select": f"{key},{name}", "$filter": f"{archive_column} eq {_literal(value)}", "$top": "10"}
        rows = self._document("GET", f"/v1/{entity.capitalize()}?{urlencode(query, quote_via=quote)}").get("value")
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
        associate = self._document("POST", f"/v1/Agents/Associate/GetAssociate?{query}", missing=(400, 404))
        person_id = associate.get("PersonId") or 0
        if associate.get("AssociateId") != associate_id or person_id <= 0:
            return None
        return Record(Target("person", person_id), _texts(associate, "FullName"))

    def record(self, target: Target) -> Record | None:
        """The target's record; None where SuperOffice has none."""
        kind = target.entity_type
        query = urlencode({"$select": _ENTITY_FIELDS[kind]}, quote_via=quote)
        entity = self._document("GET", f"/v1/{kind.capitalize()}/{target.entity_id}?{query}", missing=(400, 404))
        if not entity:
            return None
        first, *between = (entity.get(name) or "" for name in ("Firstname", "MiddleName", "Lastname"))
        names = (*_texts(entity, "FullName", "Name"), " ".join(filter(None, (first, *between))))
        if entity.get("Department"):
            names += (f"{entity.get('Name')} {entity['Department']}",)
        return Record(target, tuple(filter(None, names)))

    def has_picture(self, target: Target) -> bool:
        """Whether the record shows a picture, whoever stored it."""
        path = f"/v1/{target.entity_type.capitalize()}/{target.entity_id}/ImageInfo"
        return bool(self._document("GET", path, missing=(400, 404)).get("BlobId"))

    def delete_picture(self, target: Target) -> bool:
        """Deletes the record's picture; False where there was no such record or picture."""
        answer = self.ask("DELETE", f"/v1/{target.entity_type.capitalize()}/{target.entity_id}/Image")
        if answer.status in {200, 204}:
            return True
        if answer.status in {400, 404} and error_message(answer) is not None:
            return False
        raise self._trouble(answer)

    def ask(self, method: str, path: str) -> Answer:
        """The answer to a call with the credential, renewed once where it is refused, and on the tenant's host."""
        attempt = Attempt(_deadline(), Calls())
        access = self._current(attempt.deadline)
        for last in (False, True):
            grant = access.credential.grant(attempt)
            api = access.tenant.api(attempt)
            headers = {"Accept": "application/json", **grant.headers}
            answer = self._sent(access, api, Request(method, f"{api}{path}", headers), attempt)
            if last or answer.status not in {401, 403, 421}:
                break
            if answer.status == 421:
                access.tenant.forget(api)
            else:
                access = self._renewed(access, grant, attempt.deadline)
        return answer

    def _document(self, method: str, path: str, missing: tuple[int, ...] = ()) -> Mapping[str, Any]:
        answer = self.ask(method, path)
        if answer.status == 204 or (answer.status in missing and error_message(answer) is not None):
            return {}
        if answer.status != 200:
            raise self._trouble(answer)
        try:
            document = json.loads(answer.body.decode("utf-8-sig"))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Deferred("superoffice.unexpected-answer", "What answered is not SuperOffice's API; check base_url.")
        return document

    def _trouble(self, answer: Answer) -> Trouble:
        said = error_message(answer)
        reason = f": {passed_on(said, self.document().redact)}" if said else ""
        hint = " The credential may not read this." if answer.status in {401, 403} else ""
        return Trouble(f"SuperOffice answered {answer.status}{reason}.{hint}")


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
