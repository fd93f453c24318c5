"""The model's table against moto's DynamoDB: the same writes have the same answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from image_ingest.errors import Deferred
from image_ingest.ledger import Item, Table, TableSlots
from image_ingest.superoffice import MemorySlots, SlotItem, SlotRequest, Slots
from image_ingest.target import Target
from tests.simulation.virtual_aws import Table as VirtualTable

TARGET = Target("person", 7)
VALUES: dict[str, list[Any]] = {
    "status": ["a", "b", None],
    "claim": ["a", "b", None],
    "crashes": [{}, {"one": 2, "other": None}],
    "crashes.one": [3, None],
    "ties": [["x", "y"], True, 7, None],
}


@pytest.fixture
def tables() -> Iterator[tuple[Table, Table]]:
    with mock_aws():
        client = boto3.client("dynamodb", "eu-north-1")
        client.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "target", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "target", "AttributeType": "S"}],
        )
        virtual: Any = VirtualTable()
        yield Table(client, "ledger"), Table(virtual, "ledger")


def written(table: Table, values: dict[str, Any], expected: dict[str, object]) -> tuple[bool, Item] | str:
    try:
        return table.update(TARGET, values, expected)
    except Deferred as refusal:
        return refusal.code


def test_the_models_table_answers_as_dynamodb_does(tables: tuple[Table, Table]) -> None:
    draw = random.Random(4)
    answers: list[Any] = []
    for _ in range(300):
        names = draw.sample([*VALUES], draw.randint(1, 3))
        if "crashes" in names and "crashes.one" in names:
            names.remove("crashes")
        values = {name: draw.choice(VALUES[name]) for name in names}
        expected: dict[str, object] = draw.choice(
            [{"revision": tables[1].read(TARGET).get("revision")}, {"claim": draw.choice(["a", "b"]), "status": "a"}]
        )
        if draw.random() < 0.1:
            real_deletion, model_deletion = (table.delete(TARGET, {"claim": "a"}) for table in tables)
            assert model_deletion == real_deletion
        real, model = (written(table, values, expected) for table in tables)
        assert model == real
        assert tables[1].read(TARGET) == tables[0].read(TARGET)
        answers.append(model if isinstance(model, str) else model[0])
    assert {True, False, "aws.unavailable"} == set(answers)  # the last: a path whose map is missing


def test_slots_are_the_same_in_dynamodb_in_the_model_and_in_memory(tables: tuple[Table, Table]) -> None:
    """Every write has the same effect, and returns the same item as it was before."""
    draw = random.Random(5)
    slots: list[Slots] = [MemorySlots(), *(TableSlots(table, "https://crm/api") for table in tables)]
    now, seen = 1_791_200_000.0, set()
    for _ in range(400):
        now = round(now + draw.choice([0, 0.05, 0.2, 3]), 6)
        earliest = round(now + draw.choice([0, 0.01]), 6)
        request = SlotRequest(now, earliest, now + draw.choice([-1, 0.3, 60]), earliest + 0.012, 0.102041)
        name = draw.choice(["append", "append", "restart", "restart", "block"])
        if name == "block":
            until = round(now + draw.choice([-5, 0.4, 2]), 6)
            answers = [one.block(until, "superoffice.unavailable", now) for one in slots]
        else:
            answers = [getattr(one, name)(request) for one in slots]
        written, before = answers[0]
        for also_written, item in answers[1:]:
            assert also_written == written
            assert _is_close(item, before)
        seen.add((name, written))
    assert len(seen) == 6
    assert tables[0].read(TARGET) == {}


def _is_close(one: SlotItem, other: SlotItem) -> bool:
    """DynamoDB keeps microseconds."""
    times = [(item.next_slot, item.written_at, item.blocked_until) for item in (one, other)]
    return times[0] == pytest.approx(times[1], abs=1e-4, rel=0) and one.blocked_code == other.blocked_code
