"""From a reference to its record: SuperOffice is asked, and nothing is guessed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from image_ingest.target import Target
from image_ingest_cli.photos.references import RecordReference
from image_ingest_cli.superoffice import Crm, Record


class Lookup:
    """Finds the records that rows refer to; each question is asked once."""

    def __init__(self, crm: Crm) -> None:
        self._crm = crm
        self._find_once = cache(self._find)

    def find_target(self, reference: RecordReference) -> Target:
        """The one record. Raises ValueError if there is none or several, or if its name differs from the row's."""
        if reference.target is not None and not reference.needs_superoffice:
            return reference.target
        record = self._find_once(replace(reference, name=None))
        if reference.name is not None and not any(_is_same_name(reference.name, name) for name in record.names):
            raise ValueError(f"SuperOffice has a different name for {record.target}; check that it is the right record")
        return record.target

    def _find(self, reference: RecordReference) -> Record:
        kind, column, value = reference.entity_type, reference.column, reference.value
        if reference.target is not None:
            return _expect_one([self._crm.find_record(reference.target)], f"{kind} {value}")
        if column == "associate_id":
            return _expect_one([self._crm.find_person_of_associate(int(value))], f"person for associate {value}")
        return _expect_one(self._crm.search(column, value), f"{kind} with this {column}")


def _expect_one(records: Sequence[Record | None], description: str) -> Record:
    found = [record for record in records if record is not None]
    if not found:
        raise ValueError(f"SuperOffice has no {description}")
    if len(found) > 1:
        ids = ", ".join(str(record.target.entity_id) for record in found)
        raise ValueError(
            f"SuperOffice has {len(found)} records for the {description} (ids {ids}); use entity_id instead"
        )
    return found[0]


def _is_same_name(one: str, other: str) -> bool:
    """The same words in any order: "Hansen, Kari" is Kari Hansen."""
    return _split_words(one) == _split_words(other)


def _split_words(name: str) -> list[str]:
    return sorted(unicodedata.normalize("NFKC", name).casefold().replace(",", " ").split())
