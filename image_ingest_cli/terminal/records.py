"""How an operator names a record: `person 123`."""

from __future__ import annotations

from typing import Annotated

import typer

from image_ingest.errors import Rejected
from image_ingest.target import EntityType, Target, find_target
from image_ingest_cli.errors import usage_error

EntityArgument = Annotated[str, typer.Argument(metavar="ENTITY", help="person, project, contact or product.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The record's id in SuperOffice.")]
OptionalEntity = Annotated[str | None, typer.Argument(metavar="ENTITY", help="person, project, contact or product.")]
OptionalId = Annotated[str | None, typer.Argument(metavar="ID", help="The record's id in SuperOffice.")]


def parse_entity_type(text: str) -> EntityType:
    """The entity type, in any case. Raises CommandError."""
    return parse_target(text, "1").entity_type


def parse_target(entity: str, entity_id: str) -> Target:
    """The target, by the function's own rules. Raises CommandError."""
    try:
        return find_target({"entity-type": entity, "entity-id": entity_id}, "", None)
    except Rejected as refusal:
        raise usage_error(refusal.message.replace("entity-type", "ENTITY").replace("entity-id", "ID")) from None


def describe_target(target: Target) -> str:
    """`person 123`."""
    return f"{target.entity_type} {target.entity_id}"
