"""A real Chromium without a window, and files dropped on its pages as a visitor drops them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright

from sandbox.tools.chromium import find_chromium

Theme = Literal["light", "dark"]

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The least contrast that WCAG 2.2 AA asks of text is 4.5, or 3 where it is large (24 px, or 18.66 px and bold).
_FAINT_TEXTS = """() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const light = ({ r, g, b }) => {
    const [R, G, B] = [r, g, b].map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest(".unseen, svg, noscript")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(parse(style.color)), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    const px = parseFloat(style.fontSize);
    const least = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (contrast < least) faint.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile. Raises Unavailable where there is no Chromium."""
    executable = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, url: str, theme: Theme = "light", width: int = 1360) -> Iterator[Page]:
    """The page as a new visitor sees it. Fails if it complains in the console, or wants something from elsewhere.

    The visitor wants no motion: without a GPU, drawing it takes most of the processor.
    """
    complaints: list[str] = []
    size: ViewportSize = {"width": width, "height": 1060}
    with browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce") as context:
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(url) else complaints.append(request.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(url)
        yield page
        assert complaints == []


def drop(page: Page, on: Locator, paths: Sequence[Path]) -> None:
    """Drags files or folders from outside over the page and lets them go."""
    box = on.bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    devtools.detach()


def faint_texts(page: Page) -> list[str]:
    """Every visible text whose contrast is below WCAG's AA, with it."""
    return list(page.evaluate(_FAINT_TEXTS))
