"""No page can rot: what it names exists, what it tabulates is the code's own."""

import re

import pytest
import yaml

from docs.generate.configuration import configuration_page
from docs.generate.data_dictionary import dictionary
from mage_project.run_variables import HINT
from mage_server.environment import KNOWN_DEFAULTS
from nyc_tlc.core.audit.findings import KINDS
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import State
from nyc_tlc.core.contract.service import SERVICES, YELLOW
from nyc_tlc.core.lake import bucket, paths
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import FLAGS
from tests.repository import ROOT, files

PAGES = {
    str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files("*.md", ":!qa/chaos")
}
ARCHITECTURE = PAGES["docs/architecture.md"]
README, LAKE, SCHEDULES = PAGES["README.md"], PAGES["docs/lake.md"], PAGES["docs/schedules.md"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
FOLDERS = r"(?:nyc_tlc|mage_project|mage_server|embedded|deploy|docs|qa|tests)"


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_exists(name):
    prose = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s:]+)[)#\s]", prose)
    files = re.findall(rf"`({FOLDERS}/[\w/.-]+)`", PAGES[name])
    absent = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert [*absent, *(file for file in files if not (ROOT / file).exists())] == []
    assert set(re.findall(r"(?:^\$ |`)make ([a-z][a-z-]+)", PAGES[name], re.M)) <= TARGETS


def test_the_index_lists_every_page():
    listed = set(re.findall(r"\(([\w-]+\.md)\)", PAGES["docs/README.md"]))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages - listed == {"README.md"}


def test_the_way_of_a_month_names_each_file_once_and_in_order():
    numbers, files = zip(*re.findall(r"^(\d+)\. `([^`]+)`", ARCHITECTURE, re.M), strict=True)
    assert [*map(int, numbers)] == [*range(1, len(files) + 1)]
    assert len(set(files)) == len(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_architecture_names_every_room():
    rooms = {path.parent.name for path in (ROOT / "nyc_tlc").glob("*/*/__init__.py")}
    assert rooms <= set(re.findall(r"\w+", ARCHITECTURE))


@pytest.mark.parametrize(
    ("page", "generated"),
    [("docs/configuration.md", configuration_page), ("docs/data-dictionary.md", dictionary)],
)
def test_a_generated_page_is_what_the_code_renders(page, generated):
    assert PAGES[page] == generated(), "stale: run `make docs`"


def test_the_readme_is_short_and_has_the_facts_of_the_code():
    assert len(README.splitlines()) <= 200
    assert all(f"{service.first_month}" in README for service in SERVICES.values())
    bit, meaning = re.search(r"quality_flags & \(1 << (\d+)\).*-- (.+)", README).groups()
    assert FLAGS[int(bit)].code == meaning.replace(" ", "_").removesuffix("s")


def test_the_audit_page_lists_every_finding_with_its_remedy():
    listed = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", PAGES["docs/audit.md"], re.M)
    assert listed == [(kind.code, kind.sentence, kind.remedy) for kind in KINDS.values()]


def test_the_lake_page_has_the_paths_days_and_permissions_of_the_code():
    partition = Partition(YELLOW, Month(2024, 1))
    for path in (paths.trips, paths.quarantine, paths.manifest, paths.landing):
        assert path(partition) in LAKE
    for days in (bucket.STAGING_DAYS, bucket.NONCURRENT_DAYS):
        assert f" {days} days" in LAKE
    for name in ("gcs.py", "gcs_bucket.py"):
        source = (ROOT / "nyc_tlc" / "adapters" / "lake" / name).read_text()
        for permission in re.findall(r'"(storage\.[a-z]+\.[a-z]+)"', source):
            kind, verb = permission.rsplit(".", 1)
            assert permission in LAKE or (kind in LAKE and f"`.{verb}`" in LAKE)


def test_the_security_page_judges_the_pinned_versions_and_names_mages_defaults():
    page, lock = PAGES["SECURITY.md"], (ROOT / "requirements.txt").read_text()
    judged = re.findall(r"(?:^\| |, )([a-z0-9]+) (\d[\d.]+)(?= |,)", page, re.M)
    assert len(judged) > 6
    assert [f"{name} {v}" for name, v in judged if f"\n{name}=={v} " not in lock] == []
    assert all(f"`{default}`" in page for default in KNOWN_DEFAULTS)


def rows(header: str) -> list[list[str]]:
    table = SCHEDULES.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_the_page_of_schedules_has_the_triggers_variables_and_states_of_the_pipelines():
    triggers, variables = {}, set()
    for name in ("tlc_trips", "tlc_sync", "backfill_fanout"):
        folder = ROOT / "mage_project" / "pipelines" / name
        for trigger in yaml.safe_load((folder / "triggers.yaml").read_text())["triggers"]:
            triggers[trigger["name"]] = (name, trigger["schedule_interval"])
        declared = yaml.safe_load((folder / "metadata.yaml").read_text())["variables"]
        variables |= {(name, variable) for variable in declared if not variable.endswith(HINT)}
    assert triggers == {
        name: (pipeline, None if fires == "by API" else fires.strip("`"))
        for name, pipeline, fires, _ in rows("trigger")
    }
    assert variables == {
        (name.strip(), variable)
        for variable, names, _, _ in rows("variable")
        for name in names.split(",")
    }
    assert [state for state, _ in rows("state")] == [state.value for state in State]
