"""Chromium on the running Mage, as a person sees it; pictures in .screenshots/."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from embedded.servers.mage import MageServer

PICTURES = Path(__file__).parents[2] / ".screenshots"
WIDTHS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
TERMINAL = "/websocket/terminal' failed: Error during WebSocket handshake"
"""Mage's editor asks for a shell on the server each time. We refuse it."""
PATIENCE = 120_000
"""Milliseconds: a busy machine is slow, and what goes well does not wait for them."""
expect.set_options(timeout=PATIENCE)


class Looking:
    """A browser window, and what nobody should see in it: errors, requests to other hosts."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.wrong: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", self._asked)

    def at(self, path: str) -> Page:
        self.page.goto("about:blank")
        self.wrong.clear()  # of the page that was left: its requests are broken off
        self.page.goto(f"{self.url}{path}")
        return self.page

    def saw_nothing_wrong(self, picture: str, *visible: Locator, **options: bool) -> None:
        """Take a picture; where something has to be visible, on a phone, too."""
        for width, size in WIDTHS.items() if visible else [("desktop", WIDTHS["desktop"])]:
            self.page.set_viewport_size(size)
            for one in visible:
                expect(one).to_be_visible()
            self.page.screenshot(path=PICTURES / f"{picture}-{width}.png", **options)
        self.page.set_viewport_size(WIDTHS["desktop"])
        assert self.wrong == [], self.wrong

    def _said(self, message: object) -> None:
        if message.type == "error" and TERMINAL not in message.text:
            self.wrong.append(message.text)

    def _asked(self, request: object) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname != "127.0.0.1":
            self.wrong.append(request.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: `apt-get install chromium`, as .ci/run does")
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(browser, scheduled) -> dict:
    return sign_in(browser, scheduled.server)


def sign_in(browser: Browser, server: MageServer) -> dict:
    """The owner's session, by the form that a person fills in."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server.url}/sign-in")
    page.locator("input").first.fill(server.email)
    page.locator("input[type=password]").fill(server.password)
    page.keyboard.press("Enter")
    # The page that follows asks again and again for news: it has no moment without a request.
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.wait_for_function("document.cookie.includes('oauth_token')")
    state = page.context.storage_state()
    page.close()
    return state


@contextmanager
def window(browser: Browser, session: dict, url: str) -> Iterator[Looking]:
    """A window of its own, in which somebody is signed in."""
    context = browser.new_context(viewport=WIDTHS["desktop"], storage_state=session)
    context.set_default_timeout(PATIENCE)
    # As after "Don't show again": Mage takes a kernel that starts late for one that has restarted,
    # and its warning lies over the buttons.
    context.add_init_script("localStorage.hide_kernel_warning = 1")
    yield Looking(context.new_page(), url)
    context.close()


@pytest.fixture(scope="module")
def looking(browser, signed_in, scheduled) -> Iterator[Looking]:
    with window(browser, signed_in, scheduled.server.url) as looking:
        yield looking
