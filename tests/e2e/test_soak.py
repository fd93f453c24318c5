"""A short soak in bad weather: S3 → SQS → function → a SuperOffice that has a bad day."""

from __future__ import annotations

from sandbox.aws.emulator import EmbeddedAws
from sandbox.soak import soak
from sandbox.superoffice import StandIn


def test_in_bad_weather_every_upload_is_settled_and_none_is_lost(aws: EmbeddedAws, superoffice: StandIn) -> None:
    soaked = soak(aws, superoffice, seconds=14, uploads=80, targets=20)
    assert soaked.good, str(soaked)
    assert len({*soaked.weather}) >= 5
    assert "All settled, none lost." in str(soaked)
