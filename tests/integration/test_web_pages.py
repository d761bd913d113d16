"""Mage's web pages and the report as a person sees them, in Chromium; pictures in .screenshots/."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope, LakeAudit, download_report
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_inspector, connect_stores

pytestmark = pytest.mark.integration
PICTURES = Path(__file__).parents[2] / ".screenshots"
WIDTHS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
TERMINAL = "/websocket/terminal' failed: Error during WebSocket handshake"
"""Mage's editor asks for a shell on the server each time. We refuse it."""
PATIENCE = 120_000
"""Milliseconds: a busy machine is slow, and what goes well does not wait for them."""
expect.set_options(timeout=PATIENCE)
FOLDED = (
    "for (const side of ['before', 'after']) localStorage[`pipeline_editor_${side}_hidden`] = true"
)


class Looking:
    """A browser window, and what nobody should see in it: errors, requests to other hosts."""

    def __init__(self, page: Page, url: str, width: str) -> None:
        self.page, self.url, self.width = page, url, width
        self.wrong: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", self._asked)

    def at(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def saw_nothing_wrong(self, picture: str, **options: bool) -> None:
        """Take a picture of what the test came to see."""
        self.page.screenshot(path=PICTURES / f"{picture}-{self.width}.png", **options)
        assert self.wrong == []

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
    """The owner's session, by the form that a person fills in."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{scheduled.server.url}/sign-in")
    page.locator("input").first.fill(scheduled.server.email)
    page.locator("input[type=password]").fill(scheduled.server.password)
    page.keyboard.press("Enter")
    # The page that follows asks again and again for news: it has no moment without a request.
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.wait_for_function("document.cookie.includes('oauth_token')")
    state = page.context.storage_state()
    page.close()
    return state


@pytest.fixture(params=WIDTHS)
def looking(request, browser, signed_in, scheduled) -> Iterator[Looking]:
    context = browser.new_context(viewport=WIDTHS[request.param], storage_state=signed_in)
    context.set_default_timeout(PATIENCE)
    # As after "Don't show again": Mage takes a kernel that starts late for one that has restarted,
    # and its warning lies over the buttons.
    context.add_init_script("localStorage.hide_kernel_warning = 1")
    yield Looking(context.new_page(), scheduled.server.url, request.param)
    context.close()


@pytest.fixture(scope="module")
def loaded(scheduled) -> None:
    """Months whose run the charts draw."""
    for month, rows in {"2023-03": 2_600, "2023-04": 3_400, "2023-05": 3_000}.items():
        scheduled.publish("green", month, rows)
    scheduled.on.succeed("tlc_trips", '{"service": "green", "months": "2023-03:2023-05"}')


@pytest.fixture(scope="module")
def report(scheduled, loaded, tmp_path_factory) -> Path:
    """What `make report` fetches after an audit of the stores that the scheduler loads."""
    settings = Settings.load(scheduled.on.environment)
    ports = connect_stores(settings)
    months = Month.parse("2023-03").through(Month.parse("2023-05"))
    scope = AuditScope(tuple(Partition(SERVICES["green"], month) for month in months))
    LakeAudit(settings, ports, connect_inspector(settings)).audit(scope)
    fetched = download_report(ports.lake, tmp_path_factory.mktemp("report"))
    assert fetched is not None
    return fetched


def test_the_list_of_pipelines_says_what_each_is_for(looking):
    page = looking.at("/pipelines")
    expect(page.get_by_text("tlc_trips", exact=True)).to_be_visible()
    expect(page.get_by_text("Months of trips from TLC")).to_be_visible()
    looking.saw_nothing_wrong("pipelines")


@pytest.mark.parametrize("pipeline", ["tlc_trips", "tlc_sync"])
def test_a_pipelines_page_begins_with_what_it_does_and_its_flow(looking, pipeline):
    if looking.width == "phone":
        # As after folding both side panes away: Mage gives the page to them otherwise.
        looking.page.add_init_script(FOLDED)
    page = looking.at(f"/pipelines/{pipeline}/edit")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("pre", has_text="─▶ conform_trips")).to_be_visible()
    expect(page.get_by_text("def land_").first).to_be_visible()
    looking.saw_nothing_wrong(pipeline)


def test_the_charts_draw_the_last_run(looking, loaded):
    page = looking.at("/pipelines/tlc_trips/edit?sideview=charts")
    drawn = {
        "rows_by_month": "2023-05",
        "quarantine_by_reason": "pickup_outside_window",
        "seconds_by_step": "conform",
    }
    for chart in drawn:
        button_of(page, chart, "edit").click()
    for chart, label in drawn.items():
        button_of(page, chart, "run").click()
        expect(page.locator("svg g text", has_text=label).first).to_be_visible()
    button_of(page, "rows_by_month", "run").scroll_into_view_if_needed()
    looking.saw_nothing_wrong("charts")


def button_of(page: Page, chart: str, button: str) -> Locator:
    """A button of a chart; nothing but their order tells the three apart."""
    name = f"(normalize-space()='{chart}' or @value='{chart}' or @placeholder='{chart}')"
    row = f"//*[{name} and not(*)]/ancestor::*[count(.//button) >= 3][1]"
    return page.locator(f"xpath={row}//button").nth({"run": 0, "edit": 1}[button])


def test_a_trigger_asks_for_service_and_months_in_a_form(looking, scheduled):
    trigger = scheduled.server.trigger("tlc_trips", "monthly_green")["id"]
    page = looking.at(f"/pipelines/tlc_trips/triggers/{trigger}/edit")
    page.get_by_text("Customize", exact=False).first.click()
    expect(page.get_by_text("Which months")).to_be_visible()
    service = page.locator("select", has=page.locator("option[value=fhvhv]"))
    expect(service).to_have_value("green")
    offered = {option.get_attribute("value") for option in service.locator("option").all()}
    assert {*SERVICES, "all"} <= offered
    looking.saw_nothing_wrong("trigger")


def test_the_report_of_the_stores_needs_no_network(looking, report):
    looking.page.context.set_offline(True)
    page = looking.page
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert "2023-05" in page.content()
    widest = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(widest) <= 0, "the page is wider than the window"
    looking.saw_nothing_wrong("report", full_page=True)


def test_running_once_asks_for_every_variable(looking):
    page = looking.at("/pipelines/tlc_trips/triggers")
    page.get_by_text("Run@once").click()
    dialog = page.locator("div", has=page.get_by_text("Run pipeline now")).last
    for variable in ("force", "months", "plan", "service"):
        expect(page.get_by_text(variable, exact=True).last).to_be_visible()
    assert dialog.is_visible()
    looking.saw_nothing_wrong("run-once")
