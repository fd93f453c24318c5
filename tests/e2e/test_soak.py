"""A short soak test: S3 → SQS → function → a SuperOffice that fails in many ways."""

from __future__ import annotations

from sandbox.aws import EmbeddedAws
from sandbox.soak import soak
from sandbox.superoffice import StandIn


def test_while_superoffice_fails_every_upload_is_settled_and_none_is_lost(
    aws: EmbeddedAws, superoffice: StandIn
) -> None:
    result = soak(aws, superoffice, seconds=9, uploads=80, targets=20)
    assert result.is_good, str(result)
    assert len({*result.faults}) >= 5
    assert "All settled, none lost." in str(result)
