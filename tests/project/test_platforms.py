"""docs/platforms.md: which packages of the lock files have no wheel where, as the index has it."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.repository import ROOT

PAGE = (ROOT / "docs" / "platforms.md").read_text("utf-8")
UV = Path(sys.executable).with_name("uv")
TRIPLES = {
    "Linux x86-64": "x86_64-unknown-linux-gnu",
    "Linux arm64": "aarch64-unknown-linux-gnu",
    "macOS 14": "aarch64-apple-darwin",
    "macOS 15": "x86_64-apple-darwin",
}
TABLE = re.findall(r"^\| ((?:Linux|macOS).*?) \| (3\.\d+) \| (.*?)\|$", PAGE, re.M)
BUILT = {
    (triple, python): {name.strip() for name in names.split(",") if name.strip()}
    for platform, python, names in TABLE
    for words, triple in TRIPLES.items()
    if platform.startswith(words)
}
NO_ANSWER = re.compile(r"error sending request|Failed to fetch|dns error|timed out", re.I)


def _pins(lock: str) -> dict[str, list[str]]:
    """Requirement lines by package; some have one for each Python."""
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    pins: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := re.match(r"([a-z0-9][a-z0-9._-]*)(?:\[.*\])?==", line):
            pins.setdefault(found[1], []).append(line.partition(" --hash")[0].strip())
    return pins


LOCK = _pins("requirements.lock")


@pytest.fixture(scope="module")
def without_wheels(tmp_path_factory) -> dict[tuple[str, str], set[str]]:
    """Packages of the lock that each platform lacks a wheel of, as the package index answers."""
    folder = tmp_path_factory.mktemp("platforms")

    def ask(triple: str, python: str, names: set[str]) -> str:
        """The package that has no wheel; empty where each has."""
        file = folder / f"{triple}-{python}-{len(names)}.txt"
        file.write_text("\n".join(line for name in sorted(names) for line in LOCK[name]))
        words = ["--dry-run", "--no-deps", "--only-binary", ":all:", "--python-version", python,
                 "--python-platform", triple, "--target", folder / "none", "-r", file]  # fmt: skip
        newest = {"MACOSX_DEPLOYMENT_TARGET": "15.0" if triple.startswith("x86_64") else "14.0"}
        done = subprocess.run(
            [UV, "pip", "install", *words], env={**os.environ, **newest},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return ""
        if NO_ANSWER.search(done.stderr):
            pytest.skip("the package index cannot be reached")
        lacking = re.search(r"Because ([\w.-]+)(?:{[^}]*})?==\S+ has no", done.stderr)
        assert lacking, done.stderr
        return lacking[1]

    def lacking(platform: tuple[str, str]) -> set[str]:
        declared = BUILT[platform]
        # Most of the time all that is declared, in one question each, and nothing else.
        lacked = {name for name in declared if ask(*platform, {name})}
        while name := ask(*platform, set(LOCK) - lacked):
            lacked.add(name)
        return lacked

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(BUILT, pool.map(lacking, BUILT), strict=True))


def test_the_table_has_every_platform_on_both_pythons():
    assert len(TABLE) == len(BUILT) == 2 * len(TRIPLES)


def test_the_image_installs_what_the_lock_has():
    pins = _pins("requirements.txt")
    assert {name: LOCK[name] for name in pins} == pins


@pytest.mark.parametrize("platform", BUILT, ids=" ".join)
def test_what_the_table_names_and_nothing_else_is_built_from_source(platform, without_wheels):
    assert without_wheels[platform] == BUILT[platform]


def test_what_is_built_for_the_image_has_its_tools_in_a_stage_that_stays_behind():
    text = (ROOT / "Dockerfile").read_text()
    stages = {
        name or "image": (base, body)
        for base, name, body in re.findall(
            r"^FROM (\S+)(?: AS (\S+))?\n(.*?)(?=^FROM |\Z)", text, re.M | re.S
        )
    }
    assert stages["packages"][0] == "tools-${TARGETARCH}"
    assert stages["tools-amd64"][1].strip().splitlines()[0].startswith("#")
    assert {"cargo-web", "rustc-web", "gcc"} <= set(stages["tools-arm64"][1].split())
    base, body = stages["image"]
    assert base == "${PYTHON_IMAGE}"
    assert "apt-get" not in body
    assert "rust" not in body
    copied = re.findall(r"--from=(\S+) (\S+)", body)
    assert copied == [("packages", "/opt/venv")]


def test_every_platform_of_the_workflow_is_in_the_table():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    matrix = workflow["jobs"]["platforms"]["strategy"]["matrix"]
    assert set(matrix["python"]) == {python for _, python in BUILT}
    assert set(matrix["os"]) == {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel"}


@pytest.mark.parametrize(
    ("machine", "tools", "said"),
    [
        ("aarch64", [], r"Linux arm64 builds pgpq and psutil from source, and lacks: cc cargo\b"),
        ("aarch64", ["cc"], r"and lacks: cargo\b"),
        ("aarch64", ["cargo", "cc"], None),
        ("x86_64", [], None),
    ],
)
def test_set_up_names_the_tools_that_linux_arm64_lacks(machine, tools, said, tmp_path):
    """Up to the first step that installs anything, which a folder in the way of .venv ends."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "rm", "sh", "tail", "touch"):
        (programs / name).symlink_to(shutil.which(name))
    uname = f'[ "$1" = -s ] && echo Linux || echo {machine}'
    answers = {"uname": uname, **dict.fromkeys(tools, ":")}
    for name, body in answers.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    in_the_way = tmp_path / "venv"
    in_the_way.touch()
    done = subprocess.run(
        [shutil.which("sh"), ROOT / "setup.sh"], capture_output=True, text=True, check=False,
        env={"PATH": str(programs), "PYTHON": sys.executable, "VENV": str(in_the_way / "below")},
    )  # fmt: skip
    assert done.returncode != 0
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    if said and headers:
        assert re.search(said, done.stderr)
        assert re.search(r"Nothing was installed\. Next: install gcc, Rust", done.stderr)
        assert len(done.stderr.splitlines()) == 1
    else:
        assert "builds pgpq" not in done.stderr or not headers
