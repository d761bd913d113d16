"""What a run is given is known and readable, or the run is refused."""

import sys

import pytest
import yaml

from mage_project.run_context import run_plan, run_services
from mage_project.run_variables import require_readable, variables_of
from nyc_tlc.core.errors import ConfigurationError
from tests.repository import ROOT, shipped

PIPELINES = [path.parent.name for path in shipped("mage_project/pipelines/*/metadata.yaml")]


@pytest.mark.parametrize("text", ["{}", '{"months": "2024-01"}', " ", ""])
@pytest.mark.parametrize("form", ["apart", "joined"])
def test_an_object_is_read(monkeypatch, text, form):
    _command_line(monkeypatch, text, form)
    require_readable({})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((text, "no JSON") for text in ("{plan: true}", "{'plan': true}", "plan=true",
                                         "{\\plan\\: true}", '{"months": "2024-01"')),
        *((text, "no object") for text in ("[1]", "[]", "null", "true", '"plan"', "0")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["apart", "joined"])
def test_what_mage_would_drop_is_refused(monkeypatch, text, found, form):
    _command_line(monkeypatch, text, form)
    with pytest.raises(ConfigurationError, match=f"{found}.*Nothing was started"):
        run_plan({"plan": False})


@pytest.mark.parametrize(
    ("pipeline", "name", "meant"),
    [
        ("tlc_trips", "mouths", "Did you mean months?"),
        ("tlc_trips", "MONTHS", "Did you mean months?"),
        ("tlc_trips", "services", "Did you mean service?"),
        ("tlc_sync", "mouths", "Did you mean first_month?"),
        ("tlc_sync", "months", "Did you mean first_month?"),
        ("tlc_sync", "pln", "Did you mean plan?"),
        ("tlc_trips", "deep", "Leave it out"),
        ("tlc_zones", "plan", "it has none.*Leave it out"),
        ("lake_audit", "repare", "Did you mean repair?"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(pipeline, name, meant):
    given = {"service": "all", "pipeline_uuid": pipeline, name: "2024-01"}
    given = given if variables_of(pipeline) else {k: v for k, v in given.items() if k != "service"}
    with pytest.raises(ConfigurationError, match=f"{pipeline} has no variable '{name}'.*{meant}"):
        require_readable(given)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_a_pipeline_declares_and_what_mage_adds_is_known(pipeline):
    of_mage = {
        "env": "prod", "event": {}, "execution_date": None, "execution_partition": "1/2",
        "interval_start_datetime": None, "pipeline_run_id": 7, "trigger_name": "x", "hr": "00",
        "ds": "2024-01-01", "configuration": {}, "context": {}, "block_uuid": "b", "logger": None,
        "repo_path": str(ROOT / "mage_project"), "dynamic_block_index": 0, "__error": ValueError(),
    }  # fmt: skip
    declared = dict.fromkeys(variables_of(pipeline), "")
    require_readable({**of_mage, **declared, "pipeline_uuid": pipeline})


def test_a_pipeline_of_ones_own_is_taken_by_its_own_declarations(tmp_path):
    folder = tmp_path / "pipelines" / "mine"
    folder.mkdir(parents=True)
    (folder / "metadata.yaml").write_text("variables:\n  months: ''\n  limit: 5\n")
    given = {"pipeline_uuid": "mine", "repo_path": str(tmp_path)}
    require_readable({**given, "limit": 3, "year": 2024})
    with pytest.raises(ConfigurationError, match="mine has no variable 'limits'"):
        require_readable({**given, "limits": 3})


@pytest.mark.parametrize(
    "value", [{"2024-01": 1}, 2024.5, [["2024-01"]], [{"month": 1}], object(), b"2024-01"]
)
def test_a_type_that_means_nothing_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"months is .*expected a text, a number"):
        run_services({"service": "green", "months": value})


@pytest.mark.parametrize("value", ["green", ["green", "yellow"], None, True, 7, ("green",)])
def test_a_type_that_a_form_or_json_gives_is_read(value):
    require_readable({"service": value})


@pytest.mark.parametrize("pipeline", [name for name in PIPELINES if "course" not in name])
def test_the_first_blocks_of_every_pipeline_ask(pipeline):
    file = ROOT / "mage_project" / "pipelines" / pipeline / "metadata.yaml"
    first = [
        block
        for block in yaml.safe_load(file.read_text())["blocks"]
        if block["type"] != "markdown" and not block["upstream_blocks"]
    ]
    assert first
    for block in first:
        source = (ROOT / "mage_project" / f"{block['type']}s" / f"{block['uuid']}.py").read_text()
        assert "require_readable(kwargs)" in source or "run_context import" in source, block["uuid"]


def _command_line(monkeypatch, text, form):
    words = ["--runtime-vars", text] if form == "apart" else [f"--runtime-vars={text}"]
    monkeypatch.setattr(sys, "argv", ["mage", "run", "mage_project", "tlc_sync", *words])
