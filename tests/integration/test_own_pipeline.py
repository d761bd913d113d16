"""docs/own-pipeline.md word by word in the browser; the course's example there and in a shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mage_ai
import pandas as pd
import psycopg2
import pytest
from playwright.sync_api import expect

from embedded.servers.mage import until
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores
from tests.integration.browser import PICTURES
from tests.repository import ROOT, files

pytestmark = pytest.mark.integration
TEXT = (ROOT / "docs" / "own-pipeline.md").read_text("utf-8")
TEMPLATES = Path(mage_ai.__file__).parent / "data_preparation" / "templates"
COURSE = "course_green_taxi"
OUTPUT = "xpath=//*[contains(text(), '{}') and not(ancestor::*[contains(@class, 'monaco')])]"
"""Below a block's text, which says it too."""
ANSWER = "select count(*), count(distinct lpep_pickup_date), array_agg(distinct vendor_id)"


def git(project, *words):
    said = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=True)
    return said.stdout


@pytest.fixture(scope="module")
def zones(scheduled):
    """A month in Postgres, and what the page's query is to find in it."""
    scheduled.publish("green", "2022-06", 2_000)
    settings = Settings.load(scheduled.on.environment)
    Trips(settings, connect_stores(settings)).load_one("green", "2022-06", force=False)
    return scheduled.on.sql("select pu_location_id, count(*) from green group by 1 order by 1")


def say(text):
    """What the page says in the form that the pattern describes, once."""
    ((*found,),) = [match.groups() for match in re.finditer(text, TEXT, re.S)]
    return found


def saved(project, block):
    """The text of a block, once there is one."""
    for file in project.glob(f"*/{block.replace(' ', '_')}.py"):
        return file.read_text().strip()
    return None


def add_block(page, project, menu, name, code):
    """By the menu, its dialog, and the text of the page instead of Mage's."""
    kind, language, template = menu.split(" › ")
    page.get_by_role("button", name=kind, exact=True).click()
    page.get_by_role("menuitem", name=language, exact=True).locator("visible=true").hover()
    # Not by the mouse: to scroll there is to leave the menu, which then closes.
    item = page.get_by_role("menuitem", name=template, exact=True).locator("visible=true")
    item.dispatch_event("click")
    save = page.get_by_role("button", name="Save and add")
    save.locator("xpath=ancestor::*[.//input][1]").locator("input").first.fill(name)
    blocks = page.locator(".monaco-editor .view-lines").count()
    save.click()
    lines = page.locator(".monaco-editor .view-lines")
    expect(lines).to_have_count(blocks + 1)
    until(lambda: saved(project, name), f"{name} is made", seconds=60)
    expect(lines.nth(blocks)).to_contain_text("import")
    page.evaluate("text => navigator.clipboard.writeText(text)", code)
    # While it still sets the new block up, Mage's page shows a change and does not notice it.
    for _ in range(10):
        page.wait_for_timeout(2000)
        lines.nth(blocks).click()
        for keys in ("Control+A", "Delete", "Control+V", "Control+S"):
            page.keyboard.press(keys)
            page.wait_for_timeout(500)
        if saved(project, name) == code.strip():
            break
    assert saved(project, name) == code.strip()
    page.keyboard.press("Control+Enter")


def test_the_page_leads_to_a_run_by_schedule(looking, scheduled, zones):
    page = looking.at("/pipelines")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    kind, name = say(r"\*\*New › ([^*]+)\*\*\. Name it `([^`]+)`, then \*\*Create\*\*")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_text(kind, exact=True).click()
    page.get_by_placeholder("Pipeline name...").fill(name)
    page.get_by_role("button", name="Create", exact=True).click()

    written = {}
    step = r"\*\*([^*]+ › Python › [^*]+)\*\*\. Name it `([^`]+)`.*?```python\n(.*?)```"
    seen = {"load tips": "mean_tip", "rank zones": "tip_rank", "store zones": "mine.tips_by_zone"}
    for menu, block, code in re.findall(step, TEXT, re.S):
        written[block] = code.replace("tlc.green", "scheduled.green")
        add_block(page, scheduled.server.project, menu, block, written[block])
        expect(page.locator(OUTPUT.format(seen[block])).first).to_be_visible()
    assert written.keys() == seen.keys()
    assert until(lambda: stored(scheduled), "store zones", seconds=120) == zones
    page.screenshot(path=PICTURES / "own-pipeline.png")
    assert zones

    scheduled.on.sql("truncate mine.tips_by_zone; select 1")
    looking.at("/pipelines/tips_by_zone/triggers")
    trigger, frequency = say(r"Name it `(tips now)`,\s+choose the frequency \*\*(\w+)\*\*")
    page.get_by_role("button", name="New trigger").click()
    page.wait_for_url("**/triggers/*/edit")
    listed = scheduled.server.get("pipelines/tips_by_zone/pipeline_schedules")
    # Mage's page forgets what was chosen in it before it knew the trigger, by the name it made up.
    (made,) = listed["pipeline_schedules"]
    expect(page.get_by_text(made["name"]).first).to_be_visible()
    page.get_by_text("Schedule", exact=True).last.click()
    row = "xpath=//*[normalize-space(text())='Trigger name']/ancestor::*[.//input][1]"
    expect(page.locator(row).locator("input").first).to_have_value(made["name"])
    page.locator(row).locator("input").first.fill(trigger)
    page.locator("select", has=page.locator("option[value='@daily']")).select_option(
        f"@{frequency}"
    )
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("button", name="Enable trigger").click()
    expect(page.get_by_role("button", name="Done")).to_be_visible()
    page.screenshot(path=PICTURES / "own-trigger.png")
    assert stored(scheduled) == zones
    assert git(scheduled.server.project, "status", "--porcelain") == ""
    for block, code in written.items():
        assert saved(scheduled.server.project, block) == code.strip()


def stored(scheduled):
    try:
        found = scheduled.on.sql("select pu_location_id, trips from mine.tips_by_zone order by 1")
    except psycopg2.errors.UndefinedTable:
        return None
    return found or None


def courses_months(shared, folder):
    """The three months as TLC publishes them now: two of them are here as CSV only."""
    for month in ("2020-10", "2020-11"):
        trips = pd.read_csv(
            shared / "green" / f"green_tripdata_{month}.csv.gz",
            parse_dates=["lpep_pickup_datetime", "lpep_dropoff_datetime"],
            dtype_backend="numpy_nullable",
            low_memory=False,
        )
        trips.to_parquet(folder / f"green_tripdata_{month}.parquet")
    shutil.copy(shared / "green" / "green_tripdata_2020-12.parquet", folder)


def answers(on):
    dates = [stored.path for stored in on.lake.list(f"{COURSE}/")]
    assert all(re.search(r"/lpep_pickup_date=[\d-]+/part-0\.parquet$", path) for path in dates)
    ((kept, in_postgres, vendors),) = on.sql(f"{ANSWER} from mage.green_taxi")
    assert in_postgres == len(dates)
    return kept, len(dates), vendors


def test_the_courses_example_runs_in_a_shell(mage, shared, tmp_path):
    before = git(ROOT, "status", "--porcelain")
    csv = mage.on("course_example", tmp_path, (shared / "green").as_uri())
    said = csv.succeed(COURSE, TLC_SOURCE_FORMAT="csv")
    promised = say(r"`(266,855 rows, of which 139,370 are kept)`, .*? (95) dates")
    assert promised[0] in said
    assert answers(csv) == (139_370, int(promised[1]), [1, 2])
    assert git(ROOT, "status", "--porcelain") == before


def test_the_courses_example_runs_in_the_browser(looking, scheduled, shared):
    courses_months(shared, scheduled.published)
    page = looking.at(f"/pipelines/{COURSE}/triggers")
    page.get_by_text("Run@once").click()
    page.get_by_role("button", name="Run now").click()

    def begun():
        runs = scheduled.server.get("pipeline_runs", pipeline_uuid=COURSE)["pipeline_runs"]
        return runs[0]["id"] if runs else None

    run = scheduled.server.finished(until(begun, "the run begins", seconds=60), seconds=300)
    assert {block["block_uuid"]: block["status"] for block in run["block_runs"]} == {
        "load_green_taxi": "completed", "clean_green_taxi": "completed",
        "green_taxi_to_postgres": "completed", "green_taxi_to_lake": "completed",
    }  # fmt: skip
    assert answers(scheduled.on) == (139_370, 95, [1, 2])
    looking.at(f"/pipelines/{COURSE}/runs")
    expect(page.get_by_role("button", name="Done").first).to_be_visible()
    page.screenshot(path=PICTURES / "course-run.png")
    assert git(scheduled.server.project, "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clone of the repository in which somebody has made all that Mage offers to make."""
    clone = tmp_path_factory.mktemp("clone")
    for file in files():
        target = clone / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target, follow_symlinks=False)
    identity = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    for words in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-m", "x"]):
        git(clone, *words)
    project = clone / "mage_project"
    for kind in (
        "callbacks",
        "charts",
        "data_exporters",
        "data_loaders",
        "sensors",
        "transformers",
    ):
        for template in (TEMPLATES / kind).rglob("*.*"):
            # Mage fills what a template leaves open; as it is here, the text has an error, too.
            target = project / kind / "mine" / template.relative_to(TEMPLATES / kind)
            for name in (target, project / kind / f"my_{template.stem}"):
                name.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(template, name.with_suffix(".py"))
    (project / "data_loaders" / "mine.sql").write_text("select *\nfrom t limit 5;;")
    (project / "my_module.py").write_text("def half_written(:\n")
    pipeline = project / "pipelines" / "mine"
    pipeline.mkdir()
    (pipeline / "metadata.yaml").write_text("name: mine\nblocks: [{uuid: x}]\n")
    (pipeline / "triggers.yaml").write_text("triggers:\n- {name: mine, status: active}\n")
    edits = project / "pipelines" / "tlc_trips" / "metadata.local.yaml"
    edits.write_text("variables: {months: 2024-01}\n")
    return clone


TESTS = [
    f"tests/project/test_{name}.py"
    for name in ("mage_project", "sql_files", "sql_is_ours", "no_secret_is_committed")
]


def test_files_of_ones_own_are_in_nobodys_way(checkout):
    assert git(checkout, "status", "--porcelain") == ""
    lint = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"]]
    run_each(checkout, *lint)
    git(checkout, "add", "--force", "mage_project/data_loaders", "mage_project/pipelines/mine")
    run_each(checkout, *lint[:2], ["pytest", "-q", "-p", "no:cacheprovider", *TESTS])


def run_each(checkout, *commands):
    for program, *words in commands:
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *words], cwd=checkout, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
