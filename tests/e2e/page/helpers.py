"""What the tests of the page do on it, and find there."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
from PIL import Image, ImageStat
from playwright.sync_api import Locator, Page

from tests import ROOT
from tests.support.browser import Theme


def pixels(width: int, height: int) -> str:
    return f"{width} \N{MULTIPLICATION SIGN} {height}"


def photo(folder: Path, name: str, colour: str = "teal", size: tuple[int, int] = (300, 200)) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def choose_record(page: Page, entity_type: str, entity_id: str) -> None:
    page.get_by_role("combobox", name="For").select_option(entity_type)
    page.get_by_role("textbox", name="Id").fill(entity_id)


def dropzone(page: Page) -> Locator:
    return page.locator("#drop")


def upload_of(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name="Uploads").get_by_role("listitem").filter(has_text=name).first


def card_of(page: Page, record: str) -> Locator:
    heading = page.get_by_role("heading", name=record, exact=True)
    return page.get_by_role("region", name="Pictures in SuperOffice").get_by_role("listitem").filter(has=heading)


def dead_letters(page: Page) -> Locator:
    return page.get_by_role("region", name="Dead letters").get_by_role("listitem")


def switch(page: Page, name: str) -> Locator:
    return page.get_by_role("switch", name=name)


def shown_colour(page: Page, card: Locator) -> tuple[float, ...]:
    """The mean colour of the picture on a card."""
    source = card.locator(".frame img").get_attribute("src")
    assert source is not None
    answer = page.request.get(f"{page.url.rstrip('/')}{source}")
    with Image.open(io.BytesIO(answer.body())) as picture:
        return tuple(ImageStat.Stat(picture.convert("RGB")).mean)


def open_client(exports: Mapping[str, str], service: str) -> Any:
    """A client of the sandbox's AWS."""
    return boto3.Session(region_name=exports["AWS_DEFAULT_REGION"]).client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=exports["AWS_ENDPOINT_URL"],
        verify=exports["AWS_CA_BUNDLE"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
    )


def raise_rate(exports: Mapping[str, str]) -> None:
    """From now on the function calls SuperOffice as often as it can; by default, 120 uploads take twelve seconds."""
    functions, name = open_client(exports, "lambda"), exports["ImageIngestFunctionName"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": variables | {"SUPEROFFICE_CALLS_PER_SECOND": "1000"}}
    )


def put_many(exports: Mapping[str, str], numbers: Iterable[int], folder: str = "many") -> None:
    """Uploads a picture for each person from outside the page, as a sync does; its width is the number."""
    s3 = open_client(exports, "s3")
    for number in numbers:
        body = io.BytesIO()
        Image.new("RGB", (number, 60), "teal").save(body, "PNG")
        metadata = {"entity-type": "person", "entity-id": str(number)}
        s3.put_object(
            Bucket=exports["UploadBucketName"], Key=f"{folder}/{number}.png", Body=body.getvalue(), Metadata=metadata
        )


def read_outcomes(page: Page) -> dict[str, int]:
    """The page's summary of all uploads."""
    parts = [part.split(" ", 1) for part in page.locator("#outcomes").inner_text().split(" · ")]
    return {outcome: int(count.replace(",", "")) for count, outcome in parts}


def keep_screenshot(page: Page, theme: Theme, folder: Path) -> None:
    """Into docs/ where SCREENSHOTS is set: the times in it differ with every run."""
    page.emulate_media(reduced_motion="reduce")
    place = ROOT / "docs" if os.environ.get("SCREENSHOTS") else folder
    path = page.screenshot(path=place / f"page-{theme}.png")
    with Image.open(io.BytesIO(path)) as picture:
        brightness = ImageStat.Stat(picture.convert("L")).mean[0]
    assert (brightness > 128) == (theme == "light")
