"""The workflow for GitHub: its commands do here what they are to do there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nyc_tlc import __version__

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / f".github/workflows/{name}.yml").read_text() for name in ("ci", "release")}
CI, RELEASE = (yaml.safe_load(text) for text in TEXTS.values())
STEPS = [step for job in CI["jobs"].values() for step in job["steps"]]


def test_it_runs_what_the_makefile_has_in_one_environment():
    commands = [step["run"] for step in STEPS if "run" in step]
    assert "make check test" in commands
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {word for c in commands if c.startswith("make ") for word in c.split()[1:]}
    assert named <= targets
    keys = {step["with"]["key"] for step in STEPS if "actions/cache@" in step.get("uses", "")}
    assert len(keys) == 1


def test_they_may_do_no_more_than_they_need():
    assert CI["permissions"] == RELEASE["permissions"] == {"contents": "read"}
    assert CI["concurrency"]["group"]
    for job in CI["jobs"].values():
        assert job["timeout-minutes"] <= 30
        assert "permissions" not in job
    for step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    publish = {"contents": "read", "packages": "write"}
    signing = {"id-token": "write", "attestations": "write"}
    may = {name: job["permissions"] for name, job in RELEASE["jobs"].items()}
    assert may == {"image": publish, "index": publish | signing}
    build = RELEASE["jobs"]["image"]["steps"][-1]["with"]
    assert (build["provenance"], build["sbom"], build["push"]) == ("mode=max", True, True)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_action_is_pinned_by_its_commit(text):
    for action in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize(("tag", "status"), [("v{}", 0), ("v0.0.0", 1)])
def test_a_release_is_refused_whose_tag_is_not_the_version(tag, status, tmp_path):
    (step,) = [s for s in RELEASE["jobs"]["image"]["steps"] if s.get("id") == "name"]
    environment = {
        "PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_REF_NAME": tag.format(__version__), "GITHUB_REPOSITORY": "Some-One/Taxi",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status
    if status == 0:
        said = (tmp_path / "output").read_text()
        assert said == f"image=ghcr.io/some-one/taxi:{__version__}\n"
    else:
        assert f"nyc_tlc/__init__.py says {__version__}" in done.stderr


def test_every_action_is_pinned_by_its_commit_and_jobs_share_one_environment():
    used = re.findall(r"uses: (.*)", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert len(used) == sum("uses" in step for step in STEPS)
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action

    keys = {step["with"]["key"] for step in STEPS if "actions/cache@" in step.get("uses", "")}
    assert len(keys) == 1


@pytest.mark.integration
def test_its_mage_run_loads_a_month_into_its_own_postgres(postgres_environment, tmp_path):
    job = CI["jobs"]["mage-run"]
    service = job["services"]["postgres"]["env"]
    assert job["env"]["POSTGRES_DBNAME"] == service["POSTGRES_DB"]
    assert job["env"]["POSTGRES_PASSWORD"] == service["POSTGRES_PASSWORD"]
    there = {
        name: value.replace("${{ github.workspace }}", str(tmp_path))
        for name, value in job["env"].items()
    }
    here = {**postgres_environment, "PYTHONPATH": str(ROOT)}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for step in job["steps"]:
        if "run" not in step or step["run"] == "make setup":
            continue  # it has run here: it is what brought this test's environment
        command = step["run"].replace(".ci-tlc", f"{tmp_path}/.ci-tlc")
        command = command.replace(".venv/bin", str(Path(sys.executable).parent))
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=ROOT, env={**inherited, **there, **here}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    assert "green 2024-01  reconciled" in done.stdout
    assert (tmp_path / ".ci-lake/manifests/service=green/year=2024/month=01.json").is_file()
