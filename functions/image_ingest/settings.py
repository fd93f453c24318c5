"""The function's settings: the environment, read once into one frozen object (docs/reference.md, "Settings")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, cast

if TYPE_CHECKING:
    from image_ingest.target import EntityType

Fit = Literal["contain", "cover"]
Crop = Literal["centre", "attention"]
UploadEncoding = Literal["raw", "multipart"]
ReplacePictures = Literal["always", "own", "never"]

MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # set by Lambda, in MiB
DEFAULT_MEMORY_MIB = 1024  # outside Lambda
_T = TypeVar("_T")

_MOST_PIXELS = 16_384
_BOUNDS = re.compile(r"([a-z]+)=([0-9]{1,5})x([0-9]{1,5})", re.IGNORECASE)
_EVENT_BUS = re.compile(r"(arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class InvalidSettings(ValueError):
    """The environment does not contain valid settings; the message lists every problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Invalid settings: {'; '.join(problems)}.")
        self.problems = problems


@dataclass(frozen=True)
class PictureSettings:
    """What a picture becomes, and how much may be spent on it."""

    max_width: int = 1024
    max_height: int = 1024
    fit: Fit = "contain"
    crop: Crop = "centre"
    jpeg_quality: int = 85
    max_source_pixels: int = 100_000_000
    function_memory: int = DEFAULT_MEMORY_MIB * 2**20  # bytes


@dataclass(frozen=True)
class SuperOfficeSettings:
    """How SuperOffice is spoken to; header values are None where the header is not sent."""

    upload_encoding: UploadEncoding = "raw"
    accept: str = "application/json"
    accept_language: str | None = None
    language: str | None = None
    culture: str | None = None
    time_zone: str | None = None
    calls_per_second: float = 10
    workers: int = 5


@dataclass(frozen=True)
class Settings:
    """Everything an operator can set."""

    secret_id: str
    ledger_table: str
    dead_letter_queue_url: str
    max_attempts: int
    max_source_bytes: int
    image_bounds: Mapping[EntityType, tuple[int, int]]
    skip_unchanged: bool
    replace_pictures: ReplacePictures
    remove_when_deleted: bool
    outcome_event_bus: str | None
    target_key_pattern: re.Pattern[str] | None
    picture: PictureSettings
    superoffice: SuperOfficeSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises InvalidSettings, naming every problem at once."""
        read = _Reader(environment)
        settings = cls(
            secret_id=read.text("SUPEROFFICE_SECRET_ID"),
            ledger_table=read.text("LEDGER_TABLE_NAME"),
            dead_letter_queue_url=read.text("DEAD_LETTER_QUEUE_URL"),
            max_attempts=read.integer("MAX_ATTEMPTS", 20, 1, 1000),
            max_source_bytes=read.integer("IMAGE_MAX_SOURCE_BYTES", 52_428_800, 1, 5 * 2**40),
            image_bounds=read.bounds("IMAGE_BOUNDS"),
            skip_unchanged=read.choice("SKIP_UNCHANGED", ("false", "true")) == "true",
            replace_pictures=cast("ReplacePictures", read.choice("REPLACE_PICTURES", ("always", "own", "never"))),
            remove_when_deleted=read.choice("REMOVE_WHEN_DELETED", ("false", "true")) == "true",
            outcome_event_bus=read.event_bus("OUTCOME_EVENT_BUS"),
            target_key_pattern=read.key_pattern("TARGET_KEY_PATTERN"),
            picture=PictureSettings(
                max_width=read.integer("IMAGE_MAX_WIDTH", 1024, 1, _MOST_PIXELS),
                max_height=read.integer("IMAGE_MAX_HEIGHT", 1024, 1, _MOST_PIXELS),
                fit=cast("Fit", read.choice("IMAGE_FIT", ("contain", "cover"))),
                crop=cast("Crop", read.choice("IMAGE_CROP", ("centre", "attention"))),
                jpeg_quality=read.integer("IMAGE_JPEG_QUALITY", 85, 1, 95),
                max_source_pixels=read.integer("IMAGE_MAX_SOURCE_PIXELS", 100_000_000, 1, 2**31 - 1),
                function_memory=2**20 * read.integer(MEMORY_VARIABLE, DEFAULT_MEMORY_MIB, 1, 1_000_000),
            ),
            superoffice=SuperOfficeSettings(
                upload_encoding=cast(
                    "UploadEncoding", read.choice("SUPEROFFICE_UPLOAD_ENCODING", ("raw", "multipart"))
                ),
                accept=read.choice(
                    "SUPEROFFICE_ACCEPT", ("application/json", "text/json", "application/xml", "text/xml")
                ),
                accept_language=read.header("SUPEROFFICE_ACCEPT_LANGUAGE"),
                language=read.header("SUPEROFFICE_LANGUAGE"),
                culture=read.header("SUPEROFFICE_CULTURE"),
                time_zone=read.header("SUPEROFFICE_TIME_ZONE"),
                calls_per_second=read.rate("SUPEROFFICE_CALLS_PER_SECOND", 10),
                workers=read.integer("MAX_CONCURRENCY", 5, 2, 1000),
            ),
        )
        read.finish()
        return settings


class _Reader:
    """Reads variables one by one and keeps the problems for the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def finish(self) -> None:
        if self._problems:
            raise InvalidSettings(self._problems)

    def text(self, name: str) -> str:
        value = self._value(name)
        if value is None:
            self._problems.append(f"{name} is required")
        return value or ""

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        def parse(value: str) -> int:
            number = int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else -1
            if not least <= number <= most:
                raise ValueError(f"must be a whole number from {least} to {most}")
            return number

        return self._parsed(name, default, parse)

    def rate(self, name: str, default: float) -> float:
        def parse(value: str) -> float:
            if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) or not 0.01 <= float(value) <= 1000:
                raise ValueError("must be a number from 0.01 to 1000")
            return float(value)

        return self._parsed(name, default, parse)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        def parse(value: str) -> str:
            if value.lower() not in allowed:
                raise ValueError(f"must be one of {', '.join(allowed)}")
            return value.lower()

        return self._parsed(name, allowed[0], parse)

    def header(self, name: str) -> str | None:
        def parse(value: str) -> str | None:
            if not _HEADER_VALUE.fullmatch(value) or len(value) > 200:
                raise ValueError("must be printable ASCII without blanks at its ends, as it becomes an HTTP header")
            return value

        return self._parsed(name, None, parse)

    def bounds(self, name: str) -> Mapping[EntityType, tuple[int, int]]:
        def parse(value: str) -> Mapping[EntityType, tuple[int, int]]:
            from image_ingest.target import ENTITY_TYPES

            found: dict[EntityType, tuple[int, int]] = {}
            for part in re.split(r"[\s,]+", value.strip(" ,")):
                match = _BOUNDS.fullmatch(part)
                name, sizes = (match[1].lower(), (int(match[2]), int(match[3]))) if match else ("", (0, 0))
                if name not in ENTITY_TYPES or name in found or not all(1 <= size <= _MOST_PIXELS for size in sizes):
                    raise ValueError(
                        f"must name {', '.join(ENTITY_TYPES)} at most once each, with a width and a height from 1 to "
                        f"{_MOST_PIXELS}, such as person=600x600,product=130x180"
                    )
                found[cast("EntityType", name)] = sizes
            return found

        return self._parsed(name, {}, parse)

    def event_bus(self, name: str) -> str | None:
        def parse(value: str) -> str | None:
            if not _EVENT_BUS.fullmatch(value):
                raise ValueError("must be the name or the ARN of an EventBridge event bus")
            return value

        return self._parsed(name, None, parse)

    def key_pattern(self, name: str) -> re.Pattern[str] | None:
        def parse(value: str) -> re.Pattern[str] | None:
            try:
                pattern = re.compile(value)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"is not a regular expression ({error})") from None
            if not {"entity_type", "entity_id"} <= pattern.groupindex.keys():
                raise ValueError("must have the named groups entity_type and entity_id")
            return pattern

        return self._parsed(name, None, parse)

    def _parsed(self, name: str, default: _T, parse: Callable[[str], _T]) -> _T:
        value = self._value(name)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as problem:
            self._problems.append(f"{name} {problem}")
            return default

    def _value(self, name: str) -> str | None:
        return self._environment.get(name) or None
