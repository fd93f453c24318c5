"""Whatever arrives, the handler answers the batch, and what is refused is in the dead-letter queue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stack import BUCKET, MotoStack, photo, running_stack

bounded = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def stack() -> Iterator[MotoStack]:
    with running_stack() as stack:
        yield stack


def handled(stack: MotoStack, body: str) -> tuple[bool, list[str]]:
    """Whether the message stays on the queue, and the codes of the dead letters that it caused."""
    deferred, letters = dead_lettered(stack, body)
    return deferred, [letter["ErrorCode"] for letter in letters]


def dead_lettered(stack: MotoStack, body: str) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the message stays on the queue, and the dead letters that it caused."""
    answer = stack.invoke({"Records": [stack.message(body)]})
    return bool(answer["batchItemFailures"]), stack.dead_letters()


@bounded
@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: photo()[:200] + tail))
def test_no_bytes_as_object(stack: MotoStack, data: bytes) -> None:
    deferred, codes = handled(stack, json.dumps({"Records": [stack.put("x.jpg", data)]}))
    assert not deferred
    assert all(code.startswith(("image.", "object.")) for code in codes)
    assert (len(codes) == 1) != (stack.item()["status"] == "stored")


@bounded
@given(json_values)
def test_no_json_as_event(stack: MotoStack, value: Any) -> None:
    deferred, codes = handled(stack, json.dumps(value))
    records = value.get("Records") if isinstance(value, dict) else None
    assert not deferred
    assert codes == ["event.unrecognised"] * (len(records) if isinstance(records, list) else 1)


@bounded
@given(json_values)
def test_one_record_that_is_not_s3s_is_dead_lettered_as_it_came(stack: MotoStack, record: Any) -> None:
    body = json.dumps({"Records": [record], "more": "of the message"}, indent=1)
    deferred, (letter,) = dead_lettered(stack, body)
    assert not deferred
    assert (letter["ErrorCode"], letter["body"]) == ("event.unrecognised", body)


@bounded
@given(st.text(max_size=50))
def test_no_text_as_event(stack: MotoStack, text: str) -> None:
    assert handled(stack, text) == (False, ["event.unrecognised"])


@bounded
@given(printable, printable)
def test_no_metadata(stack: MotoStack, entity_type: str, entity_id: str) -> None:
    metadata = {"entity-type": entity_type, "entity-id": entity_id}
    stack.s3.put_object(Bucket=BUCKET, Key="x.jpg", Body=photo(), Metadata=metadata)
    record = stack.record("x.jpg", None, 1, "etag")
    deferred, codes = handled(stack, json.dumps({"Records": [record]}))
    assert not deferred
    if entity_type.strip().lower() not in {"person", "project", "contact", "product"}:
        assert codes == ["target.unknown-entity-type"]
    elif not re.fullmatch("0*[1-9][0-9]{0,8}", entity_id.strip()):
        assert codes == ["target.invalid-id"]


@bounded
@given(st.sampled_from(["key", "versionId", "sequencer", "eTag", "size"]), json_values)
def test_no_field_of_a_record(stack: MotoStack, name: str, value: Any) -> None:
    record = stack.put("x.jpg", photo())
    record["s3"]["object"][name] = value
    deferred, codes = handled(stack, json.dumps({"Records": [record]}))
    assert not deferred
    is_lost = name == "key" and not (isinstance(value, str) and value)
    assert codes == (["event.unrecognised"] if is_lost else [])
