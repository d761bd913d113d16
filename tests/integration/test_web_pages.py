"""Mage's web pages and the report as a person sees them, in Chromium; pictures in .screenshots/."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mage_project.run_variables import HINT
from mage_server.run_record import TRIGGER
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import download_report
from nyc_tlc.settings import Settings
from tests.integration.browser import WIDTHS
from tests.integration.world import World

pytestmark = pytest.mark.integration
FOLDED = """
for (const side of ['before', 'after'])
  localStorage[`pipeline_editor_${side}_hidden`] = !location.search.includes('sideview')
"""
"""Mage's side panes, unless one is asked for: on a phone they leave no room for a page."""


@pytest.fixture(scope="module", autouse=True)
def folded(looking) -> None:
    looking.page.add_init_script(FOLDED)


@pytest.fixture(scope="module")
def loaded(scheduled) -> None:
    """Months whose run the charts draw."""
    for month, rows in {"2023-03": 2_600, "2023-04": 3_400, "2023-05": 3_000}.items():
        scheduled.publish("green", month, rows)
    scheduled.on.succeed("tlc_trips", '{"service": "green", "months": "2023-03:2023-05"}')


@pytest.fixture(scope="module")
def report(scheduled, loaded, tmp_path_factory) -> Path:
    """What `make report` fetches after an audit of the stores that the scheduler loads."""
    world = World(Settings.load(scheduled.on.environment))
    months = Month.parse("2023-03").through(Month.parse("2023-05"))
    world.audit(*(Partition(SERVICES["green"], month) for month in months))
    fetched = download_report(world.lake, tmp_path_factory.mktemp("report"))
    assert fetched is not None
    return fetched


def test_the_list_of_pipelines_says_what_each_is_for(looking):
    page = looking.at("/pipelines")
    name, purpose = page.get_by_text("tlc_trips", exact=True), "Months of trips from TLC"
    looking.saw_nothing_wrong("pipelines", name, page.get_by_text(purpose))


@pytest.mark.parametrize("pipeline", ["tlc_trips", "tlc_sync"])
def test_a_pipelines_page_begins_with_what_it_does_and_its_flow(looking, pipeline):
    page = looking.at(f"/pipelines/{pipeline}/edit")
    heading = page.get_by_role("heading", level=1)
    flow = page.locator("pre", has_text="─▶ conform_trips")
    looking.saw_nothing_wrong(pipeline, heading, flow, page.get_by_text("def land_").first)


def test_the_charts_draw_the_last_run(looking, loaded):
    page = looking.at("/pipelines/tlc_trips/edit?sideview=charts")
    drawn = {
        "rows_by_month": "2023-05",
        "quarantine_by_reason": "pickup_outside_window",
        "seconds_by_step": "conform",
    }
    for chart in drawn:
        button_of(page, chart, "edit").click()
        button_of(page, chart, "run").click()
    labels = [page.locator("svg g text", has_text=label).first for label in drawn.values()]
    for label in labels:
        expect(label).to_be_visible()
    button_of(page, "rows_by_month", "run").scroll_into_view_if_needed()
    looking.saw_nothing_wrong("charts", *labels)


def test_each_block_shows_its_run_table_and_rows_of_the_last_month(looking, loaded):
    page = looking.at("/pipelines/tlc_trips/edit")
    tabs = {
        "land_trips": ["RatecodeID"],
        "conform_trips": ["quality_flags", "pickup_outside_window"],
        "load_trips_to_postgres": ["quality_flags"],
        "publish_trips_to_lake": ["quality_flags"],
    }
    for at, shown in enumerate(tabs.values()):
        output = page.locator("xpath=//*[contains(@class, 'MultiOutputStyle')]/..").nth(at)
        expect(output.get_by_role("button")).to_have_count(len(shown) + 1)
        for number, text in enumerate(shown, start=1):
            output.get_by_role("button", name=f"Output {number}").click()
            expect(output.get_by_text(text, exact=True).first).to_be_visible()
        if at != 1:  # whose last tab are quarantined rows
            expect(output.get_by_text("100 rows x")).to_be_visible()
            expect(output.get_by_text("None", exact=True).first).to_be_visible()
    looking.saw_nothing_wrong("rows")


def test_a_month_is_shown_by_the_button_of_the_block(looking, scheduled, loaded):
    page = looking.at("/pipelines/look_at_trips/edit?sideview=tree")
    page.get_by_text("def look_at_trips").wait_for()
    page.locator("//*[normalize-space()='DATA LOADER' and not(*)]/following::button[1]").click()
    expect(page.get_by_text("100 rows x")).to_be_visible()
    # Other tests of this server load later months.
    ((newest,),) = scheduled.on.sql("select max(source_month)::text from scheduled.green")
    expect(page.get_by_text(newest, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Output 2").click()
    expect(page.get_by_text("quarantine reason", exact=True).first).to_be_visible()
    looking.saw_nothing_wrong("look")


def test_the_overview_counts_what_was_run_on_the_command_line(looking, scheduled, loaded):
    runs = scheduled.server.get("pipeline_runs", pipeline_uuid="tlc_trips")["pipeline_runs"]
    recorded = [run for run in runs if run["pipeline_schedule_name"] == TRIGGER]
    shown = [(run["status"], run["variables"].get("months")) for run in recorded]
    assert shown.count(("completed", "2023-03:2023-05")) == 1
    page = looking.at("/overview")
    expect(page.get_by_text("total pipeline runs")).not_to_contain_text("0 total")
    # Mage draws the bars once before their frame has a height, and Chromium says so, in a moment.
    page.wait_for_timeout(3000)
    looking.wrong = [said for said in looking.wrong if "<rect>" not in said]
    looking.saw_nothing_wrong("overview")


def button_of(page: Page, chart: str, button: str) -> Locator:
    """A button of a chart; nothing but their order tells the three apart."""
    name = f"(normalize-space()='{chart}' or @value='{chart}' or @placeholder='{chart}')"
    row = f"//*[{name} and not(*)]/ancestor::*[count(.//button) >= 3][1]"
    return page.locator(f"xpath={row}//button").nth({"run": 0, "edit": 1}[button])


def test_a_trigger_asks_for_service_and_months_in_a_form(looking, scheduled):
    trigger = scheduled.server.trigger("tlc_trips", "monthly_green")["id"]
    page = looking.at(f"/pipelines/tlc_trips/triggers/{trigger}/edit")
    page.get_by_text("Customize", exact=False).first.click()
    service = page.locator("select", has=page.locator("option[value=fhvhv]"))
    expect(service).to_have_value("green")
    offered = {option.get_attribute("value") for option in service.locator("option").all()}
    assert {*SERVICES, "all"} <= offered
    looking.saw_nothing_wrong("trigger", page.get_by_text("Which months"))


def test_running_once_asks_for_every_variable(looking):
    page = looking.at("/pipelines/tlc_trips/triggers")
    page.get_by_text("Run@once").click()
    shown = [
        page.get_by_text(f"{variable}{hint}", exact=True).last
        for variable in ("force", "months", "plan", "service")
        for hint in ("", HINT)
    ]
    looking.saw_nothing_wrong("run-once", page.get_by_text("Run pipeline now").last, *shown)


def test_the_report_of_the_stores_needs_no_network(looking, report):
    looking.page.context.set_offline(True)
    page = looking.page
    page.goto(report.as_uri())
    assert "2023-05" in page.content()
    looking.wrong.clear()  # of the page that is left, without its server
    looking.saw_nothing_wrong("report", page.get_by_role("heading", level=1), full_page=True)
    page.set_viewport_size(WIDTHS["phone"])
    widest = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(widest) <= 0, "the page is wider than the window"
    page.context.set_offline(False)
