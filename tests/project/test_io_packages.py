"""docs/mage-io.md says which of Mage's io classes the packages of the image suffice for."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import mage_ai
import pytest

from tests.repository import ROOT

IMPORT = """
import importlib, inspect, json, pkgutil, sys
from mage_ai import io
from mage_ai.io.base import BaseIO

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
found = {}
for name in (f"mage_ai.io.{module.name}" for module in pkgutil.iter_modules(io.__path__)):
    try:
        members = vars(importlib.import_module(name)).values()
    except ModuleNotFoundError as error:
        found[name] = {"lacks": error.name}
    else:
        own = [m for m in members if inspect.isclass(m) and m.__module__ == name]
        classes = [m.__name__ for m in own if issubclass(m, BaseIO) and "Base" not in m.__name__]
        if classes:
            found[name] = {"classes": classes}
import db_dtypes # by which rows that BigQuery answers become a DataFrame
print(json.dumps(found))
"""
PAGE = (ROOT / "docs" / "mage-io.md").read_text("utf-8")
TABLE = {
    module: (name, text)
    for module, name, text in re.findall(
        r"^\| `(mage_ai\.io\.\w+)` \| `(\w+)` \| (.+) \|$", PAGE, re.M
    )
}


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    """What each module of mage_ai.io has, or lacks, with the packages of the image alone."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    locked = {line.split("==")[0] for line in lines if "==" in line}
    absent = [
        module
        for module, distributions in packages_distributions().items()
        if not locked & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    ]
    assert "pytest" in absent
    assert "pandas" not in absent
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT, *absent],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return json.loads(run.stdout)


def test_the_table_lists_every_module_with_a_class(found):
    assert found.keys() == TABLE.keys()


@pytest.mark.parametrize("module", TABLE)
def test_a_class_works_or_needs_the_package_that_the_table_names(module, found):
    name, text = TABLE[module]
    source = Path(mage_ai.__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
    assert f"\nclass {name}(" in source.read_text("utf-8")
    needed = re.findall(r"`([\w-]+)`", text) if text.startswith("needs") else []
    if needed:
        assert needed[0].replace("-", "_").startswith(found[module]["lacks"])
    else:
        assert found[module] == {"classes": [name]}
