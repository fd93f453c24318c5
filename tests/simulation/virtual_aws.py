"""A bucket, a table and two queues in memory, as far as the function uses them."""

from __future__ import annotations

import copy
import io
import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

Raw = dict[str, Any]

_UPDATE = re.compile(r"SET (.+?)(?: REMOVE (.+))?")
_NEXT_CLAUSE = re.compile(r", (?=[#\w.]+ = )")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


class Table:
    """DynamoDB's operations for the expressions that the ledger's table writes, and no others."""

    def __init__(self) -> None:
        self.items: dict[str, Raw] = {}

    def get_item(self, *, TableName: str, Key: Raw, ConsistentRead: bool) -> Raw:  # noqa: N803  # boto3's names
        """The item under `target`."""
        assert ConsistentRead
        item = self.items.get(Key["target"]["S"])
        return {} if item is None else {"Item": copy.deepcopy(item)}

    def update_item(self, **call: Any) -> Raw:
        """Sets and removes if the condition holds; else raises with the item as it is."""
        key = call["Key"]["target"]["S"]
        before = self.items.get(key)
        if not _holds(call, before or {}):
            raise _condition_failed(before, "UpdateItem")
        after = copy.deepcopy(before) if before else dict(call["Key"])
        _apply(call, after)
        self.items[key] = after
        returned = after if call["ReturnValues"] == "ALL_NEW" else before
        return {"Attributes": copy.deepcopy(returned)} if returned else {}

    def delete_item(self, **call: Any) -> Raw:
        """Deletes the item if the condition holds; else raises with the item as it is."""
        key = call["Key"]["target"]["S"]
        if not _holds(call, self.items.get(key, {})):
            raise _condition_failed(self.items.get(key), "DeleteItem")
        del self.items[key]
        return {}


def _condition_failed(item: Raw | None, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}
    return ClientError(answer | ({"Item": copy.deepcopy(item)} if item else {}), operation)


def _holds(call: Raw, item: Raw) -> bool:
    return all(
        any(_holds_term(call, item, term) for term in terms.strip("()").split(" OR "))
        if terms.startswith("(")
        else _holds_term(call, item, terms)
        for terms in call["ConditionExpression"].split(" AND ")
    )


def _holds_term(call: Raw, item: Raw, term: str) -> bool:
    values = call["ExpressionAttributeValues"]
    absent = re.fullmatch(r"attribute_not_exists\(?([#\w]+)\)?", term)
    if absent:
        return _name(call, absent[1]) not in item
    compared = re.fullmatch(r"([#\w]+) (=|<|<=|>=) (:\w+)", term)
    assert compared, term
    found, value = item.get(_name(call, compared[1])), values[compared[3]]
    if compared[2] == "=":
        return bool(found == value)
    return found is not None and bool(_COMPARE[compared[2]](Decimal(found["N"]), Decimal(value["N"])))


def _apply(call: Raw, item: Raw) -> None:
    parts = _UPDATE.fullmatch(call["UpdateExpression"])
    assert parts, call["UpdateExpression"]
    for path, value in [
        (path, _evaluate(call, item, expression))
        for path, expression in (clause.split(" = ") for clause in _NEXT_CLAUSE.split(parts[1]))
    ]:
        holder, name = _place(call, item, path)
        holder[name] = value
    for path in filter(None, (parts[2] or "").split(", ")):
        holder, name = _place(call, item, path)
        holder.pop(name, None)


def _evaluate(call: Raw, item: Raw, expression: str) -> Any:
    terms = [_evaluate_term(call, item, term) for term in expression.split(" + ")]
    return terms[0] if len(terms) == 1 else {"N": str(sum(Decimal(term["N"]) for term in terms))}


def _evaluate_term(call: Raw, item: Raw, term: str) -> Any:
    values = call["ExpressionAttributeValues"]
    default = re.fullmatch(r"if_not_exists\((\w+), (:\w+)\)", term)
    if default:
        return item.get(default[1], values[default[2]])
    return values[term] if term.startswith(":") else item[term]


def _name(call: Raw, name: str) -> str:
    return str(call["ExpressionAttributeNames"][name]) if name.startswith("#") else name


def _place(call: Raw, item: Raw, path: str) -> tuple[Raw, str]:
    *above, name = [_name(call, part) for part in path.split(".")]
    for step in above:
        if "M" not in item.get(step, {}):
            answer: Any = {"Error": {"Code": "ValidationException", "Message": "invalid document path"}}
            raise ClientError(answer, "UpdateItem")
        item = item[step]["M"]
    return item, name


@dataclass(frozen=True)
class Version:
    """One version of an object."""

    key: str
    version_id: str
    body: bytes
    metadata: Mapping[str, str]
    put_at: float
    is_marker: bool = False


@dataclass
class Bucket:
    """S3's head_object, get_object and list_object_versions over versions and delete markers, oldest first."""

    versions: list[Version] = field(default_factory=list)

    def head_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Raw:  # noqa: N803  # boto3's names
        """The version's head, by default the current one's."""
        version = self._version(Key, VersionId, "404", "HeadObject")
        return {
            "VersionId": version.version_id,
            "ETag": f'"etag-{version.version_id}"',
            "ContentLength": len(version.body),
            "LastModified": datetime.fromtimestamp(version.put_at, UTC),
            "Metadata": dict(version.metadata),
        }

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None, **_: str) -> Raw:  # noqa: N803  # boto3's names
        """The version's bytes."""
        return {"Body": io.BytesIO(self._version(Key, VersionId, "NoSuchVersion", "GetObject").body)}

    def list_object_versions(self, *, Bucket: str, Prefix: str) -> Raw:  # noqa: N803  # boto3's names
        """The versions whose keys begin so, newest first; delete markers are left out."""
        found = [version for version in reversed(self.versions) if version.key.startswith(Prefix)]
        rows = [{"Key": v.key, "VersionId": v.version_id} for v in found if not v.is_marker]
        return {"Versions": rows, "IsTruncated": False}

    def current(self, key: str) -> Version | None:
        """The key's current object."""
        found = [version for version in self.versions if version.key == key]
        return found[-1] if found and not found[-1].is_marker else None

    def delete(self, version_id: str) -> None:
        """The version is gone for good."""
        self.versions = [version for version in self.versions if version.version_id != version_id]

    def _version(self, key: str, version_id: str | None, code: str, operation: str) -> Version:
        found = [v for v in self.versions if v.key == key and version_id in {None, v.version_id}]
        if not found or found[-1].is_marker:
            status = 405 if found and version_id else 404
            answer: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, operation)
        return found[-1]


@dataclass
class Message:
    """An SQS message; `attributes` are those of a dead letter."""

    id: str
    body: str
    receives: int = 0
    visible_at: float = 0.0
    attributes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def version_ids(self) -> list[str]:
        """Of the uploads whose notification this is."""
        return [record["s3"]["object"]["versionId"] for record in json.loads(self.body)["Records"]]

    def as_record(self) -> Raw:
        """What the trigger hands to the function."""
        return {
            "messageId": self.id,
            "receiptHandle": self.id,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-north-1:123456789012:ingest",
        }
