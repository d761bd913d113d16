"""The Mage project is well formed: graphs, blocks, triggers and names agree."""

import ast
import re
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest
import yaml
from jinja2 import Template
from mage_ai.orchestration.notification.config import NotificationConfig

from mage_project.run_variables import HINT, require_readable
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.settings import Settings
from tests.repository import ROOT, files, shipped

PROJECT = ROOT / "mage_project"
FOLDERS = {
    kind: f"{kind}s"
    for kind in ("data_loader", "transformer", "data_exporter", "markdown", "chart", "callback")
}
PIPELINES = [path.parent for path in shipped("mage_project/pipelines/*/metadata.yaml")]
BLOCK_FILES = [
    path
    for kind in ("data_loader", "transformer", "data_exporter", "callback")
    for path in shipped(f"mage_project/{FOLDERS[kind]}/[!_]*.py")
]
COURSE = {
    block["uuid"]
    for folder in PIPELINES
    for block in yaml.safe_load((folder / "metadata.yaml").read_text())["blocks"]
    if folder.name.startswith("course_")
}
"""Blocks of the example that is written as the course has it."""
OURS = [path for path in BLOCK_FILES if path.stem not in COURSE]
ALERTS = [name.upper() for name in Settings.model_fields if re.match("tlc_(alert|smtp)", name)]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def metadata(folder: Path) -> dict:
    return yaml.safe_load((folder / "metadata.yaml").read_text())


def python_blocks(folder: Path) -> list[dict]:
    return [block for block in metadata(folder)["blocks"] if block["type"] != "markdown"]


def variables(folder: Path) -> set[str]:
    return {name for name in metadata(folder)["variables"] if not name.endswith(HINT)}


def triggers(folder: Path) -> list[dict]:
    path = folder / "triggers.yaml"
    return yaml.safe_load(path.read_text())["triggers"] if path.exists() else []


def decorated(path: Path) -> dict[str, str]:
    """Function name to the Mage decorator it carries."""
    functions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    return {
        function.name: decorator.id
        for function in functions
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Name)
    }


def test_a_sync_loads_by_the_steps_of_a_run():
    after = {}
    for name, landing in (("tlc_trips", "land_trips"), ("tlc_sync", "land_found_trips")):
        blocks = {b["uuid"]: b for b in python_blocks(PROJECT / "pipelines" / name)}
        below, reached = blocks[landing]["downstream_blocks"], {}
        while below:
            uuid, *below = below
            above = blocks[uuid]["upstream_blocks"]
            reached[uuid] = ["landing" if block == landing else block for block in above]
            below += blocks[uuid]["downstream_blocks"]
        after[name] = reached
    assert after["tlc_trips"] == after["tlc_sync"]
    assert "reconcile_trips" in after["tlc_sync"]


@pytest.mark.parametrize("folder", PIPELINES, ids=lambda folder: folder.name)
class TestPipeline:
    def test_it_names_itself_and_no_machine(self, folder):
        assert metadata(folder)["uuid"] == folder.name == metadata(folder)["name"]
        assert metadata(folder)["type"] == "python"  # which runs without Spark
        assert metadata(folder)["description"].endswith(".")
        assert metadata(folder)["tags"]
        assert not re.search(r"/(home|root|work|Users)/", (folder / "metadata.yaml").read_text())

    def test_every_block_and_chart_has_its_file(self, folder):
        for block in python_blocks(folder):
            path = PROJECT / FOLDERS[block["type"]] / f"{block['uuid']}.py"
            assert block["name"] == block["uuid"]
            assert decorated(path).get(block["uuid"]) == block["type"], path
        for chart in metadata(folder)["widgets"]:
            assert (PROJECT / "charts" / f"{chart['uuid']}.py").is_file()
            assert set(chart["upstream_blocks"]) <= {b["uuid"] for b in python_blocks(folder)}

    def test_its_graph_is_symmetric_and_has_no_cycle(self, folder):
        blocks = {block["uuid"]: block for block in metadata(folder)["blocks"]}
        down = {(uuid, below) for uuid, b in blocks.items() for below in b["downstream_blocks"]}
        up = {(above, uuid) for uuid, b in blocks.items() for above in b["upstream_blocks"]}
        assert down == up
        assert {uuid for edge in down for uuid in edge} <= set(blocks)
        # It raises CycleError.
        TopologicalSorter({uuid: b["upstream_blocks"] for uuid, b in blocks.items()}).prepare()

    def test_it_begins_with_what_it_does_and_its_flow(self, folder):
        first, *blocks = metadata(folder)["blocks"]
        assert (first["type"], first["uuid"]) == ("markdown", f"about_{folder.name}")
        about = (PROJECT / "markdowns" / f"{first['uuid']}.md").read_text()
        flow = re.search(r"```text\n(.*?)\n```", about, re.DOTALL).group(1)
        assert {block["uuid"] for block in blocks} <= set(re.findall(r"\w+", flow))
        # Mage paints each line of a code block as wide as its text; the panel is this wide.
        assert {len(line) for line in flow.splitlines()} == {len(flow.splitlines()[0])}
        assert len(flow.splitlines()[0]) <= 58
        for variable in variables(folder):
            assert f"`{variable}`" in about

    def test_somebody_is_told_when_any_of_its_blocks_fails(self, folder):
        (callback,) = metadata(folder)["callbacks"]
        assert callback["uuid"] == "alert_on_failure"
        assert set(callback["upstream_blocks"]) == {b["uuid"] for b in python_blocks(folder)}

    def test_drawing_a_chart_runs_no_block(self, folder):
        """Mage first runs a chart's block that is not marked as executed: a load, for a picture."""
        blocks = {block["uuid"]: block["status"] for block in metadata(folder)["blocks"]}
        drawn = {uuid for chart in metadata(folder)["widgets"] for uuid in chart["upstream_blocks"]}
        assert {blocks[uuid] for uuid in drawn} <= {"executed"}

    def test_its_triggers_form_asks_for_its_variables(self, folder):
        """Mage's own model of a form refuses what it does not know."""
        from mage_ai.data_preparation.models.pipelines.interactions import Interaction

        path, asked = folder / "interactions.yaml", set()
        if path.exists():
            declared = Interaction(**yaml.safe_load(path.read_text()))
            allowed = {role.value for each in declared.permissions for role in each.roles}
            assert allowed == {"Owner", "Admin", "Editor", "Viewer"}
            for form in chain(*declared.blocks.values()):
                text = (PROJECT / "interactions" / form.uuid).read_text()
                asked |= set(yaml.safe_load(text)["variables"])
        assert asked == variables(folder)

    def test_the_dialogs_say_what_each_variable_takes_and_give_an_example(self, folder):
        shown = metadata(folder)["variables"]
        for name in variables(folder):
            # Mage's dialog has no place for it but a value, of which it shows so many characters.
            assert 10 < len(shown[f"{name}{HINT}"]) <= 52
            example = re.split("[,; ]", shown[f"{name}{HINT}"])[0]
            require_readable({**shown, "pipeline_uuid": folder.name, name: example})
        for form in (PROJECT / "interactions").glob("*.yaml"):
            questions = yaml.safe_load(form.read_text())["variables"]
            assert all(question["description"].endswith(".") for question in questions.values())


def test_frames_of_trips_and_mages_own_classes_are_in_the_courses_example_only():
    """Elsewhere trips pass through nyc_tlc, batch by batch, and blocks see the run table."""
    classes = {path.stem for path in BLOCK_FILES if "mage_ai.io" in path.read_text()}
    assert {"green_taxi_to_postgres", "green_taxi_to_lake"} <= classes <= COURSE
    others = [folder for folder in PIPELINES if not folder.name.startswith("course_")]
    assert not COURSE & {block["uuid"] for folder in others for block in python_blocks(folder)}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
class TestBlock:
    def test_it_is_short_and_has_no_branches_but_mages_import_guard(self, path):
        assert len(path.read_text().splitlines()) <= 25
        kinds = ast.If | ast.For | ast.While | ast.Try | ast.IfExp
        nodes = ast.walk(ast.parse(path.read_text()))
        (branch,) = [node for node in nodes if isinstance(node, kinds)]
        assert "globals()" in ast.unparse(branch)

    def test_it_imports_only_the_pipeline_its_variables_and_its_frames(self, path):
        nodes = ast.walk(ast.parse(path.read_text()))
        imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        allowed = (
            r"nyc_tlc\..+|mage_project\.(run_context|run_variables|frames)|mage_ai\..*decorators"
        )
        assert all(re.fullmatch(allowed, module or "") for module in imported), imported

    def test_it_reads_none_of_the_arguments_that_siblings_share(self, path):
        # In `mage run` sibling blocks get one dict of arguments, and overwrite each other's.
        assert list(decorated(path).values()).count("test") <= 1
        assert not re.search(r"configuration|block_uuid", path.read_text())


@pytest.mark.parametrize(
    "path", shipped("mage_project/pipelines/*/triggers.yaml"), ids=lambda path: path.parent.name
)
def test_triggers_load_in_mage(path):
    from mage_ai.data_preparation.models.triggers import load_trigger_configs

    loaded = load_trigger_configs(path.read_text(), path.parent.name, raise_exception=True)
    assert [trigger.name for trigger in loaded] == [one["name"] for one in triggers(path.parent)]


@pytest.mark.parametrize("path", shipped("mage_project/interactions/*.yaml"), ids=lambda p: p.stem)
def test_a_form_offers_every_service(path):
    form = yaml.safe_load(path.read_text())
    for name, question in form["variables"].items():
        assert question["input"] in form["inputs"], name
    options = form["inputs"].get("service", {}).get("options", [])
    # Where a run shows one service, there is no "all".
    assert {option["value"] for option in options} - {"all"} in (set(), {*SERVICES})


@pytest.mark.parametrize("folder", [*FOLDERS.values(), "interactions"])
def test_every_file_is_of_a_pipeline(folder):
    there = {path.stem for path in shipped(f"mage_project/{folder}/*")} - {"__init__"}
    declared = "".join(path.read_text() for path in shipped("mage_project/pipelines/*/*.yaml"))
    assert there <= set(re.findall(r"uuid: (\w+)", declared))


def test_no_file_of_ours_is_missing_in_the_list_of_what_is_shipped():
    """Ruff would skip it, and so would the tests; a user may have added files by force."""
    begins_as_ours = {
        path.parent
        for path in files("mage_project/pipelines/*/metadata.yaml")
        if f"uuid: about_{path.parent.name}\n" in path.read_text()
    }
    assert begins_as_ours == set(PIPELINES)
    text = "".join(path.read_text() for path in shipped("mage_project/*.py", "mage_project/*.yaml"))
    used = set(re.findall(r"uuid: (\w+)|mage_project\.(\w+)", text))
    unlisted = set(files("mage_project")) - set(shipped("mage_project"))
    assert not {path.stem for path in unlisted} & set(chain.from_iterable(used))


def test_a_run_that_takes_too_long_is_told_where_alerts_go_and_nowhere_else():
    """Mage reads its metadata before and after Jinja, and takes 'None', not '', for not set."""
    text = (PROJECT / "metadata.yaml").read_text()
    assert yaml.safe_load(text)["notification_config"]["alert_on"] == ["trigger_passed_sla"]

    def channels(**environment: str) -> NotificationConfig:
        rendered = Template(text).render(env_var=lambda name, default=None: environment.get(name))
        return NotificationConfig.load(config=yaml.safe_load(rendered)["notification_config"])

    for nothing in ({}, dict.fromkeys(ALERTS, "")):
        silent = channels(**nothing)
        assert not silent.slack_config.is_valid
        assert not silent.teams_config.is_valid
        assert silent.email_config is None
    password = "p'a\"s\\s{{ %"
    loud = channels(
        **{name: f"https://{name}" for name in ALERTS} | {"TLC_SMTP_PASSWORD": password}
    )
    assert loud.slack_config.webhook_url == "https://TLC_ALERT_SLACK_WEBHOOK"
    assert loud.teams_config.webhook_url == ["https://TLC_ALERT_TEAMS_WEBHOOK"]
    assert loud.email_config.to_emails == ["https://TLC_ALERT_EMAIL_TO"]
    assert loud.email_config.smtp_password == password


def test_every_trigger_has_its_own_name_no_token_and_an_end():
    """`make schedule-on` takes a name; a run that hangs must not keep the next ones waiting."""
    declared = list(chain.from_iterable(map(triggers, PIPELINES)))
    names = [trigger["name"] for trigger in declared]
    assert len(names) == len(set(names)) > 5
    assert {"daily_sync", "load_months", "backfill_months"} <= set(names)
    for trigger in declared:
        assert "token" not in trigger
        if "sync" in trigger["name"] or "month" in trigger["name"]:
            assert trigger["settings"]["timeout_status"] == "failed"
            assert trigger["settings"]["timeout"] >= 3600
        if trigger["schedule_type"] == "api":
            # Stamped, so that Mage does not rewrite the file.
            assert (trigger["status"], bool(trigger.get("last_enabled_at"))) == ("active", True)
        else:
            assert trigger["status"] == "inactive"
            assert trigger["settings"]["skip_if_previous_running"] is True


def test_mage_retries_no_block_whose_errors_have_been_retried():
    """What these blocks raise has been tried again by steps/run.py, or cannot pass."""
    verdicts = {
        "find_trips", "reconcile_trips", "load_partition", "list_partitions",
        "summarize_partitions",
    }  # fmt: skip
    blocks = list(chain.from_iterable(map(python_blocks, PIPELINES)))
    assert verdicts <= {block["uuid"] for block in blocks}
    for block in blocks:
        retries = (block["retry_config"] or {}).get("retries", 0)
        assert retries == 0 if block["uuid"] in verdicts else retries <= 1


def test_telemetry_is_off_and_mage_finds_the_one_io_config():
    assert (PROJECT / "io_config.yaml").resolve() == PROJECT.parent / "io_config.yml"
    assert yaml.safe_load((PROJECT / "metadata.yaml").read_text())["help_improve_mage"] is False
