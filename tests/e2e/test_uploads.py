"""The album through the deployed template, and what an outage of SuperOffice does to it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from PIL import Image

from sandbox.aws import ARTIFACTS, EmbeddedAws, Monitor
from sandbox.demo.album import Sample, make_album
from sandbox.demo.send import SampleResult, find_mismatches, send_samples
from sandbox.short_waits import deploy_with_short_waits
from sandbox.superoffice import StandIn
from tests.support.cli_sandbox import wait_for
from tests.support.sandbox_stacks import QUICK, deploy


def ignore_result(_: SampleResult) -> None:
    """Results are read from the return value."""


def shown(superoffice: StandIn, entity_type: str, index: int = -1) -> Image.Image:
    return Image.open(io.BytesIO(superoffice.pictures(entity_type, 1)[index].data))


def colour(picture: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    value = picture.getpixel(place)
    assert isinstance(value, tuple)
    return value


def test_every_picture_of_the_album_arrives_correctly(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy(aws, superoffice)
    settled = send_samples(stack, make_album(), ignore_result)
    assert find_mismatches(stack, superoffice, settled) == {}

    with shown(superoffice, "person", 0) as photo:  # was stored sideways
        assert photo.size == (768, 1024)
        assert not photo.getexif()
        red, _, blue = colour(photo, (384, 420))
        assert red > blue, "there should be a face in the middle of the upper half"
    with shown(superoffice, "project") as logo:
        assert logo.format == "PNG"
        assert colour(logo, (0, 0))[3] == 0
    with shown(superoffice, "product") as mug:
        assert mug.size == (1000, 1000)
    with shown(superoffice, "contact") as office:  # was CMYK
        assert (office.format, office.mode) == ("JPEG", "RGB")
    with shown(superoffice, "person") as newer:
        _, green, blue = colour(newer, (5, 5))
        assert green > blue, "the newer photo has a green wall"
    assert len(superoffice.find_calls("PUT")) == 5, "one call for each stored picture, none for the duplicate"


def test_the_function_decodes_with_the_layer_s_pillow(aws: EmbeddedAws, superoffice: StandIn) -> None:
    first = deploy(aws, superoffice)
    s3, layer = aws.client("s3"), {"Bucket": ARTIFACTS, "Key": "layer.zip"}
    sound = s3.get_object(**layer)["Body"].read()
    s3.put_object(**layer, Body=layer_that_fails())
    second = deploy(aws, superoffice)
    s3.put_object(**layer, Body=sound)
    assert [result.outcome for result in send_samples(first, uploads("logo.png"), ignore_result)] == ["stored"]
    assert [result.outcome for result in send_samples(second, uploads("logo.png"), ignore_result, patience=5)] != [
        "stored"
    ]


def layer_that_fails() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/PIL/__init__.py", "raise ImportError")
    return buffer.getvalue()


def test_an_outage_of_superoffice_defers_and_loses_nothing(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy_with_short_waits(aws, "outage", QUICK, back_off=5)
    stack.put_secret(superoffice.secret("basic"))
    before, during = uploads("logo.png"), uploads("office.tif", "mug.webp", "ada.jpg")
    assert [result.outcome for result in send_samples(stack, before, ignore_result)] == ["stored"]
    superoffice.down()

    deferred = send_samples(stack, during, ignore_result)
    assert {result.result for result in deferred} == {"superoffice.unavailable"}
    monitor = Monitor(stack)
    wait_for(lambda: read_statuses(monitor, during) == {"deferred"})
    assert monitor.count_dead_letters() == 0

    superoffice.up()
    wait_for(lambda: read_statuses(monitor, during) == {"stored"} and monitor.count_waiting() == 0)
    assert monitor.count_dead_letters() == 0
    for photo in [*before, *during]:
        assert photo.target is not None
        picture = superoffice.picture(photo.target.entity_type, photo.target.entity_id)
        assert picture is not None
        assert monitor.read_item(photo.target)["blob_id"] == picture.blob_id
    assert monitor.count_waiting() == 0


def uploads(*names: str) -> list[Sample]:
    return [photo for photo in make_album() if photo.name in names and not photo.repeats]


def read_statuses(monitor: Monitor, photos: Sequence[Sample]) -> set[str]:
    """The ledger's statuses of the photos' records."""
    return {monitor.read_item(photo.target)["status"] for photo in photos if photo.target}
