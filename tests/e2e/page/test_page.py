"""The sandbox's page in a real browser: what a newcomer sees and does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.page.helpers import (
    card_of,
    choose_record,
    dead_letters,
    dropzone,
    keep_screenshot,
    photo,
    pixels,
    put_many,
    raise_rate,
    read_outcomes,
    shown_colour,
    switch,
    upload_of,
)
from tests.support.browser import Theme, chromium, drop, faint_texts, visit
from tests.support.browser_sandbox import running_sandbox

SETTLES = 120_000  # milliseconds: a function that starts cold on a busy machine
SETTLED = re.compile("^(?!queued|working)")
EVIL_NAME = "<img src=x onerror=alert(1)>.txt"

expect.set_options(timeout=SETTLES)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as exported:
        raise_rate(exported)
        yield exported


@pytest.fixture(scope="module")
def url(exports: Mapping[str, str]) -> str:
    return exports["SANDBOX_URL"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with visit(browser, url) as page:
        expect(page.get_by_role("status").first).to_have_text("live")
        yield page


def test_the_album_looks_right_in_both_themes_and_on_a_phone(browser: Browser, url: str, tmp_path: Path) -> None:
    with visit(browser, url) as page:
        page.get_by_role("button", name="Upload a sample album").click()
        expect(upload_of(page, "ada-new.jpg")).to_have_attribute("data-state", "stored")
        for name in ("mug.webp", "office.tif", "logo.png"):
            expect(upload_of(page, name)).to_have_attribute("data-state", "stored")
    themes: tuple[Theme, ...] = ("light", "dark")
    for theme in themes:
        with visit(browser, url, theme) as page:
            expect(card_of(page, "product 1").locator(".frame img")).to_be_visible()
            expect(page.locator(".thumb img")).to_have_count(6)
            for image in page.locator(".frame img").all():
                expect(image).not_to_have_js_property("naturalWidth", 0)
            assert faint_texts(page) == []
            keep_screenshot(page, theme, tmp_path)
    with visit(browser, url, width=360) as page:
        expect(card_of(page, "product 1").locator(".frame img")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, "nothing is wider than a phone"


# SuperOffice has a picture a moment before the log names its upload. Here that moment lasts until release().
_DELAY_OUTCOMES = """{
  const parse = JSON.parse, Source = EventSource;
  let held = true, latest;
  window.EventSource = class extends Source {
    constructor(...parameters) {
      super(...parameters);
      window.release = () => {
        held = false;
        this.dispatchEvent(new MessageEvent("message", { data: latest }));
      };
    }
  };
  JSON.parse = (text) => {
    const state = parse(text);
    if (!state.uploads) return state;
    latest = text;
    return held ? { ...state, uploads: state.uploads.map((upload) => ({ ...upload, blob_id: null })) } : state;
  };
}"""


def test_a_dropped_file_becomes_the_record_s_picture(page: Page, tmp_path: Path) -> None:
    choose_record(page, "contact", "41")
    drop(page, dropzone(page), [photo(tmp_path, "house.png", "navy", (2000, 1000))])
    expect(upload_of(page, "house.png")).to_have_attribute("data-state", "stored")
    card = card_of(page, "contact 41")
    expect(card).to_contain_text(pixels(1024, 512))
    assert shown_colour(page, card)[2] > 100, "navy is blue"

    drop(page, dropzone(page), [photo(tmp_path, "newer.png", "darkred")])
    expect(card).to_contain_text(pixels(300, 200))
    assert shown_colour(page, card)[0] > 100
    expect(card.get_by_role("img", name="Earlier picture of contact 41")).to_have_count(1)
    expect(page.get_by_role("row", name="contact#41")).to_contain_text("newer.png")


def test_before_and_after_opens_on_a_card_and_closes_by_the_keyboard(page: Page, tmp_path: Path) -> None:
    choose_record(page, "product", "42")
    sideways = Image.Exif()
    sideways[0x0112] = 6
    Image.new("RGB", (1800, 1200), "olive").save(tmp_path / "phone.jpg", exif=sideways)
    drop(page, dropzone(page), [tmp_path / "phone.jpg"])
    button = card_of(page, "product 42").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"JPEG RGB, {pixels(1800, 1200)}")
    expect(dialog).to_contain_text(pixels(667, 1000))
    expect(dialog.get_by_role("listitem")).to_contain_text(["rotated upright (it was on its side)", "reduced in size"])
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_before_and_after_opened_early_is_filled_in_when_the_outcome_arrives(page: Page, tmp_path: Path) -> None:
    page.add_init_script(_DELAY_OUTCOMES)
    page.reload()
    choose_record(page, "product", "44")
    drop(page, dropzone(page), [photo(tmp_path, "early.png", "teal")])
    card_of(page, "product 44").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("no picture")
    expect(upload_of(page, "early.png")).to_have_attribute("data-state", "stored")
    page.evaluate("release()")
    expect(dialog).to_contain_text("early.png")
    expect(dialog).to_contain_text(f"PNG RGB, {pixels(300, 200)}")
    expect(dialog).not_to_contain_text("no picture")


def test_a_refused_file_is_a_dead_letter_that_can_be_replayed(page: Page, tmp_path: Path) -> None:
    (tmp_path / EVIL_NAME).write_text("Dear diary,\n")
    choose_record(page, "person", "43")
    drop(page, dropzone(page), [tmp_path / EVIL_NAME])
    letter = dead_letters(page).filter(has_text=EVIL_NAME)
    expect(letter).to_contain_text("image.unsupported-format")
    expect(letter).to_contain_text("Upload the picture in one of these formats.")
    expect(upload_of(page, EVIL_NAME)).to_contain_text("rejected")
    first = letter.get_attribute("data-key")

    letter.get_by_role("button", name="Replay").click()
    expect(letter).not_to_have_attribute("data-key", first or "")
    expect(letter).to_have_count(1)
    expect(page.get_by_role("row", name="person#43")).to_contain_text("rejected")


def test_uploads_recover_from_an_outage(page: Page, tmp_path: Path) -> None:
    switch(page, "SuperOffice is down").check()
    choose_record(page, "project", "44")
    drop(page, dropzone(page), [photo(tmp_path, "plan.png")])
    upload = upload_of(page, "plan.png")
    expect(upload).to_have_attribute("data-state", "deferred")
    expect(upload).to_contain_text("superoffice.unavailable")
    expect(upload.locator("time")).to_have_text(re.compile(r"in \d+ s"))

    switch(page, "SuperOffice is down").uncheck()
    page.get_by_role("button", name="Send plan.png again now").click()
    expect(upload).to_have_attribute("data-state", "stored")
    expect(card_of(page, "project 44")).to_contain_text(pixels(300, 200))
    waiting = page.get_by_role("region", name="Waiting in the queue").get_by_role("listitem")
    expect(waiting.filter(has_text="plan.png")).to_contain_text("ends as a duplicate")


def test_no_upload_is_lost_with_a_killed_worker(page: Page, tmp_path: Path) -> None:
    switch(page, "Kill the worker").check()
    choose_record(page, "person", "45")
    drop(page, dropzone(page), [photo(tmp_path, "hit.png")])
    expect(upload_of(page, "hit.png")).to_have_attribute("data-state", "crashed")
    expect(switch(page, "Kill the worker")).not_to_be_checked()
    waiting = page.get_by_role("region", name="Waiting in the queue").get_by_role("listitem").filter(has_text="hit.png")
    expect(waiting).to_contain_text(re.compile(r"delivers it again in 1[012] min"))

    drop(page, dropzone(page), [photo(tmp_path, "next.png")])
    expect(upload_of(page, "next.png")).to_have_attribute("data-state", "deferred")
    expect(upload_of(page, "next.png")).to_contain_text("target.busy")


def test_a_folder_s_spreadsheet_assigns_its_pictures_to_records(page: Page, tmp_path: Path) -> None:
    photo(tmp_path, "staff/faces/Åsa.png", "gold")
    photo(tmp_path, "staff/logo.png", "black")
    (tmp_path / "staff/people.csv").write_text(
        "Photo;Entity Type;Entity ID\nfaces/åsa.png;person;46\nlogo.png;contact;47\ngone.png;person;48\n"
    )
    drop(page, dropzone(page), [tmp_path / "staff"])
    expect(card_of(page, "person 46")).to_contain_text(pixels(300, 200))
    expect(card_of(page, "contact 47")).to_contain_text(pixels(300, 200))
    expect(page.get_by_role("alert")).to_contain_text("line 4: there is no file gone.png in the folder")


def test_with_120_uploads_every_statement_is_true_and_the_newest_is_in_view(
    page: Page, exports: Mapping[str, str]
) -> None:
    uploads = page.get_by_role("region", name="Uploads")
    put_many(exports, [1])
    expect(card_of(page, "person 1")).to_contain_text(pixels(1, 60))
    put_many(exports, range(301, 420))
    newest = upload_of(page, "many/419.png")
    expect(newest).to_be_in_viewport()
    expect(newest).not_to_contain_text("without a target")
    expect(newest).to_have_attribute("data-state", "stored", timeout=2 * SETTLES)
    moving = page.locator("#uploads > :is([data-state=queued], [data-state=working])")
    expect(moving).to_have_count(0, timeout=2 * SETTLES)

    expect(newest).to_be_in_viewport()
    expect(newest).to_contain_text("for person 419")
    expect(card_of(page, "person 1")).to_contain_text(pixels(1, 60))
    expect(card_of(page, "person 419")).to_contain_text(pixels(419, 60))
    assert uploads.get_by_role("list", name="Uploads").locator("> li").count() == 60
    outcomes = read_outcomes(page)
    assert outcomes["stored"] >= 120
    assert sum(outcomes.values()) == int(page.locator("#count-uploads").inner_text())
    assert page.get_by_role("row").count() == 51, "the head and the latest 50 items"
    expect(page.get_by_role("row", name="person#419")).to_contain_text("many/419.png")
    assert page.evaluate("document.documentElement.scrollWidth") == 1360


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"Host": "evil.example"}),
        ("GET", "/events", {"Host": "evil.example:8417"}),
        ("GET", "/events", {"Sec-Fetch-Site": "cross-site"}),
        ("GET", "/events", {"Origin": "https://evil.example"}),
        ("POST", "/album", {}),
        ("POST", "/album", {"Origin": "null"}),
        ("POST", "/album", {"Origin": "http://127.0.0.1:1"}),
        ("POST", "/faults/down/on", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_other_sites_are_refused(url: str, method: str, path: str, headers: dict[str, str]) -> None:
    if "Sec-Fetch-Site" in headers:
        headers = {"Origin": url, **headers}
    with requests.request(method, url + path, headers=headers, stream=True, timeout=10) as answer:
        assert answer.status_code == 403


def test_the_page_loads_its_own_files_only(url: str) -> None:
    with requests.get(url, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/uploads?name=&entity_type=person&entity_id=1", 400),
        ("/uploads?name=a.jpg&entity_type=planet&entity_id=1", 400),
        ("/uploads?name=a.jpg&entity_type=person&entity_id=%C3%A5", 400),
        ("/folder", 400),
        ("/faults/sunny/on", 404),
        ("/waiting/nobody/again", 404),
        ("/dead-letters/nobody/replay", 400),
    ],
)
def test_impossible_requests_name_the_problem(url: str, path: str, status: int) -> None:
    with requests.post(url + path, headers={"Origin": url}, data=b"x", timeout=10) as answer:
        assert answer.status_code == status
        assert answer.json()["problem"]
