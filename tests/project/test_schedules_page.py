"""docs/schedules.md cannot rot: its tables are the triggers, variables and states of the code."""

import re
from pathlib import Path

import yaml

from nyc_tlc.core.catalog.publication import State

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "mage_project" / "pipelines"
PAGE = (ROOT / "docs" / "schedules.md").read_text("utf-8")
DESCRIBED = ("tlc_trips", "tlc_sync", "backfill_fanout")


def rows(header: str) -> list[list[str]]:
    table = PAGE.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_its_triggers_are_those_of_the_pipelines():
    declared = {
        trigger["name"]: (name, trigger["schedule_interval"])
        for name in DESCRIBED
        for trigger in yaml.safe_load((PIPELINES / name / "triggers.yaml").read_text())["triggers"]
    }
    described = {
        name: (pipeline, None if fires == "by API" else fires.strip("`"))
        for name, pipeline, fires, _ in rows("trigger")
    }
    assert described == declared


def test_its_variables_are_those_of_the_pipelines():
    declared = {
        (name, variable)
        for name in DESCRIBED
        for variable in yaml.safe_load((PIPELINES / name / "metadata.yaml").read_text())[
            "variables"
        ]
    }
    described = {
        (name.strip(), variable)
        for variable, names, _, _ in rows("variable")
        for name in names.split(",")
    }
    assert described == declared


def test_its_states_are_those_that_a_month_can_have():
    assert [state for state, _ in rows("state")] == [state.value for state in State]


def test_every_make_target_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", PAGE, re.M))
    assert {"sync", "run", "schedules", "schedule-on", "trigger-token"} <= named <= targets
