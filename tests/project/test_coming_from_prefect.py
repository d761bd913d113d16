"""The README's table for people who come from Prefect names what there is, and how it is shown."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nyc_tlc.settings import Settings
from tests.repository import ROOT, shipped

README = (ROOT / "README.md").read_text()
_, _, SECTION = README.partition("## Coming from Prefect\n")
SECTION = SECTION.partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if "](tests/" in line]
COMPOSE = (ROOT / "docker-compose.yml").read_text()


def triggers() -> set[str]:
    files = shipped("mage_project/pipelines/*/triggers.yaml")
    return {t["name"] for file in files for t in yaml.safe_load(file.read_text())["triggers"]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_test_triggers_variables_and_pipelines_that_there_are(row):
    _there, here, shown = row
    ((path, name),) = re.findall(r'\]\((tests/[\w/]+\.py) "(\w+)"\)', shown)
    functions = ast.walk(ast.parse((ROOT / path).read_text()))
    assert name in {node.name for node in functions if isinstance(node, ast.FunctionDef)}
    assert set(re.findall(r"TRIGGER=(\w+)", here)) <= triggers()
    for start in re.findall(r"TLC_[A-Z_]+", here):
        assert any(name.upper().startswith(start) for name in Settings.model_fields) or (
            f"{start}:-" in COMPOSE
        )
    for pipeline in re.findall(r"pipeline `(\w+)`", here):
        assert (ROOT / "mage_project" / "pipelines" / pipeline).is_dir()


def test_the_image_that_runs_is_chosen_by_its_tag():
    services = yaml.safe_load(COMPOSE)["services"]
    images = {s["image"] for s in services.values() if "-mage:" in s.get("image", "")}
    assert images == {"${NYC_TLC_IMAGE:-${COMPOSE_PROJECT_NAME}-mage:local}"}


@pytest.mark.integration
def test_a_branch_runs_as_it_is_cloned(postgres_environment, tmp_path):
    def git(*words: str | Path) -> None:
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *identity, *words], check=True, capture_output=True)

    origin, clone = tmp_path / "origin", tmp_path / "clone"
    git("clone", ROOT, origin)
    git("-C", origin, "switch", "--create", "louder")
    block = origin / "mage_project" / "data_loaders" / "check_lake.py"
    block.write_text(block.read_text().replace("print(answer)", "print(answer.upper())"))
    git("-C", origin, "commit", "--all", "--message", "Say it louder")
    git("clone", "--branch", "louder", origin, clone)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(clone),
        "LAKE_URL": str(tmp_path / "lake-of-louder"), "MAGE_DATA_DIR": str(tmp_path / "mage_data"),
        **postgres_environment,
    }  # fmt: skip
    run = subprocess.run(
        [Path(sys.executable).with_name("mage"), "run", "mage_project", "check_connections"],
        cwd=clone, env=environment, text=True, check=False, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "LAKE-OF-LOUDER" in run.stdout
    assert f"{environment['POSTGRES_HOST']}:{environment['POSTGRES_PORT']}/" in run.stdout
    assert environment["POSTGRES_PASSWORD"] not in run.stdout
