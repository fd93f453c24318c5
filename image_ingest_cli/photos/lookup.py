"""From what a spreadsheet knows of a record to the record: paced questions to SuperOffice, and never a guess."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from image_ingest.target import Target
from image_ingest_cli.photos.manifest import Who
from image_ingest_cli.superoffice import Crm, Record


class Lookup:
    """Finds the records that rows name; each question is asked once."""

    def __init__(self, crm: Crm) -> None:
        self._crm = crm
        self._found = cache(self._find)

    def target(self, who: Who) -> Target:
        """The one record that is meant. Raises ValueError where there is none, several, or its name is another."""
        if who.target is not None and who.name is None:
            return who.target
        record = self._found(replace(who, name=None))
        if who.name is not None and not any(_same_name(who.name, name) for name in record.names):
            raise ValueError(f"SuperOffice's {record.target} has another name than the row; is it the right record?")
        return record.target

    def _find(self, who: Who) -> Record:
        if who.target is not None:
            return _one([self._crm.record(who.target)], f"{who.entity_type} {who.value}")
        if who.column == "associate_id":
            return _one([self._crm.person_of_associate(int(who.value))], f"person for associate {who.value}")
        return _one(self._crm.find(who.column, who.value), f"{who.entity_type} with this {who.column}")


def _one(records: Sequence[Record | None], what: str) -> Record:
    found = [record for record in records if record is not None]
    if not found:
        raise ValueError(f"SuperOffice has no {what}")
    if len(found) > 1:
        ids = ", ".join(str(record.target.entity_id) for record in found)
        raise ValueError(f"SuperOffice has {len(found)} records for the {what} (ids {ids}); give entity_id instead")
    return found[0]


def _same_name(one: str, other: str) -> bool:
    """The same words in any order: "Hansen, Kari" is Kari Hansen."""
    return _words(one) == _words(other)


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", name).casefold().replace(",", " ")
    return sorted(plain.split())
