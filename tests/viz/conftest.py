"""A headless Chromium for the tests of pictures, and pages in it that may ask nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.viz.browser import FLAGS, Open, demanded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a headless Chromium; for a module only, since other tests cannot run a loop beside its own."""
    program = demanded()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a page from a file; no request may leave and no error may be logged."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    requests: list[str] = []
    said: list[str] = []

    def asked(request: Request) -> None:
        requests.append(request.url)

    def heard(message: ConsoleMessage) -> None:
        said.append(message.text)

    def failed(error: Error) -> None:
        said.append(str(error))

    def interrupted(dialog: Dialog) -> None:
        said.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def open_(content: str, place: str = "") -> Page:
        file = tmp_path / "report.html"
        file.write_text(content, "utf-8")
        page = context.new_page()
        page.on("request", asked)
        page.on("console", heard)
        page.on("pageerror", failed)
        page.on("dialog", interrupted)
        page.goto(f"{file.as_uri()}{place}")
        return page

    yield open_
    context.close()
    assert {url.partition("#")[0] for url in requests} <= {(tmp_path / "report.html").as_uri()}
    assert said == []
