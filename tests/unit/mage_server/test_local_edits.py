"""What Mage would write into a shipped pipeline goes beside it, and is read as if it were there."""

import ast
import copy
import os
import subprocess
import sys

import pytest
import yaml

from mage_server.environment import SECRETS
from mage_server.keep_edits import keep
from mage_server.local_edits import overlaid, save, shipped_pipelines
from tests.repository import ROOT, shipped

BLOCK = {"uuid": "load", "type": "data_loader", "status": "not_executed"}
SHIPPED = {"uuid": "tlc", "variables": {"months": ""}, "blocks": [BLOCK], "widgets": []}
BY_MAGE = {"all_upstream_blocks_executed": True, "color": None}
RUN = {
    **SHIPPED,
    "blocks": [{**BLOCK, **BY_MAGE, "status": "executed"}],
    "variables_dir": "/home/me/checkout/.local/mage_data/mage_project",
    "created_at": None,
}


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".gitignore").write_text("/pipelines/*\n!/pipelines/tlc/\n")
    for pipeline in ("tlc", "mine"):
        folder = tmp_path / "pipelines" / pipeline
        folder.mkdir(parents=True)
        (folder / "metadata.yaml").write_text(yaml.safe_dump(SHIPPED))
    return tmp_path


def write(file, document):
    """As Mage's writing does."""
    becomes = save(file, copy.deepcopy(document))
    if becomes is not None:
        file.write_text(yaml.safe_dump(becomes))


def read(file):
    return overlaid(file, yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("pipeline", ["tlc", "mine"])
def test_a_run_of_a_block_leaves_the_file_as_it_was(project, pipeline):
    file = project / "pipelines" / pipeline / "metadata.yaml"
    write(file, SHIPPED)
    before = file.read_bytes()
    write(file, RUN)
    assert read(file)["blocks"][0]["status"] == "executed"
    if pipeline == "tlc":
        assert file.read_bytes() == before
    kept = "".join(path.read_text() for path in file.parent.iterdir())
    assert "executed" in kept
    assert "/home/" not in kept
    assert "status: executed" not in file.read_text()


def test_an_edit_of_a_shipped_pipeline_survives_and_is_no_change_of_its_file(project):
    file = project / "pipelines" / "tlc" / "metadata.yaml"
    write(file, RUN | {"variables": {"months": "2024-01"}})
    assert yaml.safe_load(file.read_text()) == SHIPPED
    assert read(file)["variables"] == {"months": "2024-01"}
    file.write_text(yaml.safe_dump(SHIPPED | {"description": "Pulled."}))
    assert read(file)["description"] == "Pulled."
    assert read(file)["variables"] == {"months": "2024-01"}
    write(file, yaml.safe_load(file.read_text()))  # the edit is taken back
    assert not file.with_suffix(".local.yaml").exists()


@pytest.mark.parametrize("damaged", ["", "just text", "- a list"])
def test_a_file_of_edits_that_somebody_broke_is_taken_for_none(project, damaged):
    file = project / "pipelines" / "tlc" / "metadata.yaml"
    file.with_suffix(".local.yaml").write_text(damaged)
    assert read(file) == SHIPPED


def test_edits_that_are_kept_are_in_the_shipped_file_without_the_states_of_blocks(project):
    file = project / "pipelines" / "tlc" / "metadata.yaml"
    mine = {"uuid": "mine", "type": "transformer", "status": "failed", "upstream_blocks": ["load"]}
    edited = RUN | {"blocks": [*RUN["blocks"], mine], "variables": {"months": "2024-01"}}
    write(file, edited)
    keep(file)
    kept = yaml.safe_load(file.read_text())
    assert kept["variables"] == {"months": "2024-01"}
    assert kept["blocks"] == [BLOCK, mine | {"status": "not_executed"}]
    assert not file.with_suffix(".local.yaml").exists()
    assert read(file) == kept


SPAWNED = """
from mage_ai.data_preparation.models import pipeline, triggers
from mage_ai.orchestration.queue.process_queue import ProcessQueue
apart = (pipeline.safe_write, pipeline.read_yaml_file, triggers.safe_write,
    triggers.load_triggers_file_content, ProcessQueue.clean_up_jobs)
print({f.__module__ for f in apart})
"""
SERVER = f"""
import multiprocessing, runpy, sys
from mage_ai.cli import main

def spawn(*_, **__):
    child = multiprocessing.get_context("spawn").Process(target=exec, args=[{SPAWNED!r}])
    child.start()
    child.join()

main.app = spawn
sys.argv = ["mage_server", sys.argv[1]]
runpy.run_module("mage_server", run_name="__main__", alter_sys=True)
"""


def test_a_process_that_mage_spawns_as_on_macos_keeps_edits_apart_too(tmp_path):
    environment = {
        **os.environ, **dict.fromkeys(SECRETS, "0123456789abcdef"), "PYTHONPATH": str(ROOT),
        "DEFAULT_OWNER_EMAIL": "o@localhost", "DEFAULT_OWNER_USERNAME": "o",
        "PYTHONWARNINGS": "ignore", "MAGE_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SERVER, ROOT / "mage_project"],
        env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=180,
    )  # fmt: skip
    assert ast.literal_eval(done.stdout.split("\n")[-2]) == {
        "mage_server.local_edits", "mage_server.watch",
    }  # fmt: skip


def test_what_is_shipped_is_what_git_has():
    folders = {file.parent.name for file in shipped("mage_project/pipelines/*/metadata.yaml")}
    assert shipped_pipelines(ROOT / "mage_project") == folders
    assert {"tlc_trips", "tlc_sync"} <= folders
