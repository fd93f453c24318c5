"""The environment becomes settings, or one message with every problem."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_ingest.checks import choose_picture_settings
from image_ingest.settings import InvalidSettings, Settings
from image_ingest.target import EntityType, Target

REQUIRED = {
    "SUPEROFFICE_SECRET_ID": "secret",
    "LEDGER_TABLE_NAME": "ledger",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.example/1/dlq",
}


def test_defaults_are_the_contracts() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert (settings.max_attempts, settings.max_source_bytes, settings.skip_unchanged) == (20, 52_428_800, False)
    assert settings.target_key_pattern is None
    picture = settings.picture
    assert (picture.max_width, picture.max_height, picture.fit, picture.jpeg_quality) == (1024, 1024, "contain", 85)
    assert (picture.crop, settings.image_bounds) == ("centre", {})
    assert picture.max_source_pixels == 100_000_000
    superoffice = settings.superoffice
    assert (superoffice.upload_encoding, superoffice.accept) == ("raw", "application/json")
    assert (superoffice.calls_per_second, superoffice.workers) == (10, 5)
    assert {superoffice.accept_language, superoffice.language, superoffice.culture, superoffice.time_zone} == {None}


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({**REQUIRED, "MAX_ATTEMPTS": "", "TARGET_KEY_PATTERN": ""}).max_attempts == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ATTEMPTS", "0"),
        ("MAX_CONCURRENCY", "1"),
        ("MAX_CONCURRENCY", "1001"),
        ("SUPEROFFICE_CALLS_PER_SECOND", "0"),
        ("SUPEROFFICE_CALLS_PER_SECOND", "nan"),
        ("IMAGE_MAX_WIDTH", "0"),
        ("IMAGE_MAX_HEIGHT", "-5"),
        ("IMAGE_FIT", "stretch"),
        ("IMAGE_CROP", "faces"),
        ("IMAGE_BOUNDS", "person"),
        ("IMAGE_BOUNDS", "person=600"),
        ("IMAGE_BOUNDS", "person=0x600"),
        ("IMAGE_BOUNDS", "person=600x16385"),
        ("IMAGE_BOUNDS", "company=600x600"),
        ("IMAGE_BOUNDS", "person=1x1 person=2x2"),
        ("IMAGE_BOUNDS", "person=1x1;product=2x2"),
        ("IMAGE_BOUNDS", "person=\u0661x600"),
        ("IMAGE_JPEG_QUALITY", "96"),
        ("IMAGE_MAX_SOURCE_BYTES", "50MB"),
        ("IMAGE_MAX_SOURCE_PIXELS", "9" * 30),
        ("SUPEROFFICE_UPLOAD_ENCODING", "base64"),
        ("SUPEROFFICE_ACCEPT", "application/json-patch+json"),
        ("SUPEROFFICE_LANGUAGE", "en\r\nX-Evil: 1"),
        ("SKIP_UNCHANGED", "yes"),
        ("TARGET_KEY_PATTERN", "("),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "large"),
        ("TARGET_KEY_PATTERN", r"(?P<entity_type>\w+)/\d+"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        Settings.from_environment({**REQUIRED, name: value})


@pytest.mark.parametrize(
    "value", ["person=600x400 product=130x180", "person=600x400,product=130x180", " PERSON=600x400 ,\tProduct=130x180 "]
)
def test_bounds_for_entity_types(value: str) -> None:
    settings = Settings.from_environment({**REQUIRED, "IMAGE_BOUNDS": value})
    assert settings.image_bounds == {"person": (600, 400), "product": (130, 180)}


@pytest.mark.parametrize(
    ("entity_type", "bounds", "expected"),
    [
        ("person", "", (2000, 900)),
        ("product", "", (1000, 900)),
        ("person", "person=600x400", (600, 400)),
        ("contact", "person=600x400", (2000, 900)),
        ("product", "product=130x180", (130, 180)),
        ("product", "product=1600x800", (1000, 800)),
    ],
)
def test_a_picture_gets_the_bounds_of_its_entity_type(
    entity_type: EntityType, bounds: str, expected: tuple[int, int]
) -> None:
    sizes = {"IMAGE_MAX_WIDTH": "2000", "IMAGE_MAX_HEIGHT": "900"}
    settings = Settings.from_environment({**REQUIRED, **sizes, "IMAGE_BOUNDS": bounds})
    chosen = choose_picture_settings(Target(entity_type, 7), settings)
    assert (chosen.max_width, chosen.max_height) == expected
    assert replace(chosen, max_width=2000, max_height=900) == settings.picture


def test_all_problems_come_in_one_message() -> None:
    with pytest.raises(InvalidSettings) as problem:
        Settings.from_environment({"IMAGE_FIT": "x", "MAX_ATTEMPTS": "x"})
    for name in (*REQUIRED, "IMAGE_FIT", "MAX_ATTEMPTS"):
        assert name in str(problem.value)
