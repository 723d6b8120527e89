"""A person at the chat page: headless Chromium, driven by Playwright. Used by the story and by the tests.

Open WebUI's own names for things on its page (`#chat-input`, `.chat-assistant`, …) stand here and nowhere else.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

from core.errors import CloudError
from local.setup.browser import PROGRAMS

# no sandbox: it needs a user namespace, which root in a container has not. The page is our own. The rest keeps Chromium
# from calling its maker.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE: Final[ViewportSize] = {"width": 1000, "height": 640}
PAGE_S: Final = 120.0  # a page of many small files, on a busy machine
ANSWER: Final = "#response-content-container .markdown-prose"
CURSOR: Final = ".animate-cursor-pulse"  # behind the last word, while an answer is being made
# What greets a person once; each is closed where it shows
GREETINGS: Final = ("Okay, Let's Go!", "Close")


def program() -> str | None:
    """The path of a Chromium on this computer, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def browser(url: str) -> Iterator[Person]:
    """A fresh browser, as somebody who was never here before; CloudError where there is no Chromium."""
    chromium = program()
    if chromium is None:
        raise CloudError("There is no Chromium on this computer. On Debian: `sudo apt-get install chromium`.")
    with sync_playwright() as playwright:
        engine = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            yield _newcomer(engine, url)
        finally:
            engine.close()


def _newcomer(engine: Browser, url: str) -> Person:
    context = engine.new_context(viewport=SIZE, color_scheme="light")
    context.set_default_timeout(PAGE_S * 1000)
    return Person(context.new_page(), url)


class Person:
    """Somebody who uses the chat page at `url`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    @contextmanager
    def somebody_else(self) -> Iterator[Person]:
        """Another computer's browser, as if by somebody who was never here; closed afterwards."""
        engine = self.page.context.browser
        assert engine is not None, "a page of a browser that was launched has one"
        other = _newcomer(engine, self.url)
        try:
            yield other
        finally:
            other.page.context.close()

    def log_in(self, email: str, password: str) -> None:
        """From the log-in form to the empty chat."""
        self.page.goto(f"{self.url}/auth")
        self.page.fill("#email", email)
        self.page.fill("input[type=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_selector("#chat-input")
        self._close_greetings()

    def _close_greetings(self) -> None:
        for words in GREETINGS:
            button = self.page.get_by_text(words, exact=True)
            try:
                button.first.click(timeout=2000)
            except Error:
                continue  # it greets only some people
        self.page.keyboard.press("Escape")

    def say(self, text: str) -> float:
        """Send a message; returns when, in seconds since 1970."""
        self.page.click("#chat-input")
        self.page.keyboard.type(text)
        sent = time.time()
        self.page.keyboard.press("Enter")
        return sent

    def waits_for(self, text: str, timeout_s: float) -> float:
        """Wait until the page shows this text; returns when, in seconds since 1970. CloudError if it never does."""
        try:
            self.page.get_by_text(text).first.wait_for(timeout=timeout_s * 1000)
        except Error as error:
            raise CloudError(
                f"The chat page never showed “{text}” within {timeout_s:.0f} s. It shows:\n{self.text()}"
            ) from error
        return time.time()

    def waits_for_answer(self, timeout_s: float) -> float:
        """Wait until the last answer has a first word; returns when, in seconds since 1970."""
        self._until("the answer's first word", lambda: bool(self.answer()), timeout_s)
        return time.time()

    def waits_for_end(self, timeout_s: float) -> str:
        """Wait until the last answer is complete; its text."""
        cursor = self.page.locator(CURSOR)
        self._until("the answer's end", lambda: bool(self.answer()) and cursor.count() == 0, timeout_s)
        self.page.wait_for_timeout(500)  # the last of it fades in
        return self.answer()

    def answer(self) -> str:
        """The text of the last answer, "" while there is none."""
        found = self.page.locator(ANSWER)
        return str(found.last.inner_text()).strip() if found.count() else ""

    def _until(self, what: str, true: Callable[[], bool], timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > until:
                raise CloudError(
                    f"The chat page did not show {what} within {timeout_s:.0f} s. It shows:\n{self.text()}"
                )
            self.page.wait_for_timeout(50)

    def text(self) -> str:
        """All the text on the page."""
        return str(self.page.inner_text("body"))

    def picture(self, path: Path) -> None:
        """A screenshot, PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
