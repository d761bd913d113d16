"""The Makefile reads alike in GNU make 3.81 (macOS) and 4.4, and set-up finds its Python."""

import os
import re
import subprocess

import pytest

from tests.repository import ROOT

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)

LATER_THAN_3_81 = {
    "3.82": r"\.ONESHELL|\.SHELLFLAGS|^undefine|^private|^define .*=|\.RECIPEPREFIX",
    "4.0": r"^[\w-]+ *!=|::=|\$\(file |\$\(guile |^-?load ",
    "4.2": r"\.SHELLSTATUS",
    "4.3": r"&:|\.EXTRA_PREREQS",
    "4.4": r"\$\(let |\$\(intcmp |\.WAIT\b|\.NOTINTERMEDIATE",
}


@pytest.mark.parametrize("version", LATER_THAN_3_81)
def test_it_has_nothing_that_came_after_3_81(version):
    found = re.search(LATER_THAN_3_81[version], MAKEFILE, re.MULTILINE)
    assert found is None, found


def test_each_line_of_a_recipe_stands_alone():
    """Without .ONESHELL a line is a shell of its own, and that shell may be a plain one."""
    said = _make(*TARGETS, MUTANTS="x", ROWS="1", MONTHS="2024", PLAN="true").stdout
    lines = [line for line in said.replace("\\\n", " ").splitlines() if line.strip()]
    assert len(lines) > len(TARGETS)
    for line in lines:
        assert not re.search(r"^(cd|export|set) |^\w+=\S*$|<\(|>\(|\[\[", line), line
        shell = ["sh", "-n", "-c", line]
        checked = subprocess.run(shell, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("words", "environment", "command"),
    [
        ("run MONTHS=2024-01", {}, 'tlc_trips MONTHS="2024-01"'),
        ("sync", {"PLAN": "true", "DEEP": "true"}, 'tlc_sync PLAN="true"'),
        ("sync PLAN=true", {"PLAN": "false"}, 'tlc_sync PLAN="true"'),
        ("sync MONTHS=2024-01", {}, 'tlc_sync MONTHS="2024-01"'),  # the program refuses it
        ("run MONTHS=2024 TLC_SOURCE_FORMAT=csv", {}, 'tlc_trips MONTHS="2024"'),
        ("keep-edits PIPELINE=tlc_trips", {}, 'keep_edits "tlc_trips"'),
        ("audit DEEP=true", {}, 'lake_audit DEEP="true"'),
        ("rebuild PLAN=yes", {}, "rebuild everything --plan"),
        ("rebuild PLAN=false SERVICE=fhv", {}, 'rebuild everything --service "fhv"'),
        ("gcs-setup APPLY=true", {}, "bucket --apply"),
    ],
)
def test_variables_reach_the_program(words, environment, command):
    said = _make(*words.split(), **environment)
    assert " ".join(said.stdout.split()).endswith(command), said.stdout + said.stderr


@pytest.mark.parametrize("words", ["sync PLN=true", "rebuild MOUTHS=2024-01", "demo FOO=1"])
def test_an_unknown_variable_is_refused(words):
    said = _make(*words.split())
    assert said.returncode != 0
    assert re.search(r"unknown variable \w+: expected one of .*MONTHS.*PLAN", said.stderr)


def _make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/installed", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pythons", "given", "found"),
    [
        ({"python3.11": "3.11"}, "", "python3.11"),
        ({"python3.12": "3.12"}, "", "python3.12"),
        ({"python3": "3.12"}, "", "python3"),
        ({"python": "3.11"}, "", "python"),
        ({"python3.11": None, "python3": "3.12"}, "", "python3"),  # a shim of pyenv's
        ({"python3": "3.13", "python3.12": "3.12"}, "", "python3.12"),
        ({"python3.11": "pypy", "python3.12": "3.12"}, "", "python3.12"),
        ({"python3.11": "3.11", "other": "3.12"}, "other", "other"),
        ({"python3": "3.13", "uv": "uv"}, "", "/brought/by/uv"),
    ],
)
def test_setup_finds_a_python(tmp_path, pythons, given, found):
    done = _setup(tmp_path, pythons, given)
    assert (done.stdout.strip(), done.returncode) == (found, 0), done.stderr


@pytest.mark.parametrize(
    ("pythons", "given", "said"),
    [
        ({"python3.13": "3.13"}, "", r"PATH has python3.13 \(3.13\)"),
        ({"python3": "3.9"}, "", r"PATH has python3 \(3.9\)"),
        ({}, "", "PATH has no Python"),
        ({"python3": None}, "", "PATH has no Python"),
        ({"python3.11": "3.11", "new": "3.14"}, "new", "PYTHON=new is Python 3.14"),
        ({"python3.11": "3.11"}, "/nowhere", "PYTHON=/nowhere does not run"),
    ],
)
def test_setup_names_what_is_wrong_and_the_remedy_in_one_line(tmp_path, pythons, given, said):
    done = _setup(tmp_path, pythons, given)
    assert (done.stdout, done.returncode) == ("", 1)
    (line,) = done.stderr.splitlines()
    assert re.match(said, line)
    assert "expected Python 3.11 or 3.12" in line
    assert "Next: install Python 3.12, or uv" in line


def _setup(folder, pythons, given):
    """`setup.sh --python` on a PATH with these programs alone."""
    for name in ("dirname", "sh"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name, version in pythons.items():
        answer = {None: "exit 127", "uv": "echo /brought/by/uv"}.get(version, f"echo {version}")
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", "setup.sh", "--python"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": str(folder), "PYTHON": given},
    )  # fmt: skip
