"""The ledger's DynamoDB table: consistent reads and conditional updates of whole items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from image_ingest.aws import aws_call, error_code
from image_ingest.errors import Deferred
from image_ingest.target import Target

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class Table:
    """One item per target, each with a `revision` that every update counts up.

    Every method raises Deferred `aws.unavailable` or `aws.denied`.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def read(self, target: Target) -> Item:
        """The item as it is now; empty if there is none."""
        with aws_call("reading the ledger"):
            answer = self._client.get_item(TableName=self._name, Key=_key(target), ConsistentRead=True)
        return _plain(answer.get("Item", {}))

    def update(self, target: Target, values: Mapping[str, Any], expected: Mapping[str, object]) -> tuple[bool, Item]:
        """Sets every value, or removes it where None, if each `expected` attribute has its value (None: is absent).

        True and the new item; or False and the item that did not meet the condition.
        """
        change, condition = _Change(values), _Condition(expected)
        try:
            with aws_call("writing the ledger"):
                response = self._client.update_item(
                    TableName=self._name,
                    Key=_key(target),
                    UpdateExpression=change.expression,
                    ConditionExpression=condition.expression,
                    ExpressionAttributeNames=change.names | condition.names,
                    ExpressionAttributeValues=change.operands | condition.operands,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except Deferred as problem:
            return False, _item_that_failed(problem)
        return True, _plain(response["Attributes"])

    def write(self, key: str, update: str, condition: str, operands: Mapping[str, Any]) -> tuple[bool, Item]:
        """One conditional update of an item that is no target's. Whether it was made, and the item as it was before."""
        try:
            with aws_call("writing the rate limit"):
                response = self._client.update_item(
                    TableName=self._name,
                    Key={"target": {"S": key}},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeValues={name: _serialize(value) for name, value in operands.items()},
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except Deferred as problem:
            return False, _item_that_failed(problem)
        return True, _plain(response.get("Attributes", {}))

    def delete(self, target: Target, expected: Mapping[str, str]) -> bool:
        """Deletes the item if each `expected` attribute has its value. Whether there is no item now."""
        condition = _Condition(expected)
        try:
            with aws_call("deleting from the ledger"):
                self._client.delete_item(
                    TableName=self._name,
                    Key=_key(target),
                    ConditionExpression=condition.expression,
                    ExpressionAttributeNames=condition.names,
                    ExpressionAttributeValues=condition.operands,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except Deferred as problem:
            return not _item_that_failed(problem)  # no item: boto3 sent it twice, as the first response was lost
        return True


class _Condition:
    """A condition expression: each attribute has its value, or is absent where that is None."""

    def __init__(self, expected: Mapping[str, object]) -> None:
        self.names: dict[str, str] = {}
        self.operands: dict[str, Any] = {}
        terms = []
        for number, (attribute, value) in enumerate(expected.items()):
            self.names[f"#e{number}"] = attribute
            if value is None:
                terms.append(f"attribute_not_exists(#e{number})")
            else:
                self.operands[f":e{number}"] = _serialize(value)
                terms.append(f"#e{number} = :e{number}")
        self.expression = " AND ".join(terms)


class _Change:
    """An update expression that sets values, removes those that are None, and counts the item's revision up."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names: dict[str, str] = {}
        self.operands: dict[str, Any] = {":zero": _serialize(0), ":one": _serialize(1)}
        sets, removes = ["revision = if_not_exists(revision, :zero) + :one"], []
        for number, (path, value) in enumerate(values.items()):
            place = self._place(path, number)
            if value is None:
                removes.append(place)
            else:
                sets.append(f"{place} = :v{number}")
                self.operands[f":v{number}"] = _serialize(value)
        self.expression = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")

    def _place(self, path: str, number: int) -> str:
        """Placeholders for a path such as `crashes.ab12`, as several names are DynamoDB's reserved words."""
        places = []
        for depth, name in enumerate(path.split(".")):
            place = f"#n{number}_{depth}"
            self.names[place] = name
            places.append(place)
        return ".".join(places)


def _item_that_failed(problem: Deferred) -> Item:
    cause = problem.__cause__
    if isinstance(cause, ClientError) and error_code(cause) == "ConditionalCheckFailedException":
        return _plain(cast("Item", cause.response.get("Item", {})))
    raise problem


def _key(target: Target) -> dict[str, Any]:
    return {"target": {"S": str(target)}}


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
