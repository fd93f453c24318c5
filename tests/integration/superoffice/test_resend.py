"""A PUT that is sent again at once after a broken connection, over real HTTP."""

from __future__ import annotations

import pytest

from image_ingest.errors import IngestDeferred
from tests.support.stack import MotoStack, photo


def test_after_a_broken_connection_the_next_upload_waits_for_the_put_in_doubt(stack: MotoStack) -> None:
    stack.superoffice.fail(times=1, drop=True)
    assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"
    with pytest.raises(IngestDeferred, match=r"target\.busy"):
        stack.invoke({"Records": [stack.put("x.jpg", photo("red"))]})
