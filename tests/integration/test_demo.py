"""`make demo` is the first thing a newcomer runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("the demo's state")
    yield folder
    embedded("stack", "stop", "--state", folder)


def shown_in_readme():
    """The README's lines of output, less the seconds, which differ from run to run."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = readme[readme.index("```text\npartition") :].split("```")[1]
    lines = [line.rstrip() for line in block.splitlines()[1:] if line.strip()]
    return [re.sub(r"(reconciled.* )\d+\.\d$", r"\1", line).rstrip() for line in lines]


def _counts_stores(line):
    return line.startswith("partition         Postgres") or line.endswith("100,000   100,000")


def embedded(module, *words):
    ours = ("POSTGRES_", "TLC_", "LAKE_", "STORAGE_", "BIGQUERY_", "MAGE_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"embedded.{module}", *words],
        cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip


def test_it_shows_what_came_of_the_months_and_the_second_time_does_no_work(state):
    first = embedded("demo", "--state", state)
    assert first.count("  reconciled  ") == 4
    assert "4 partitions" in first
    assert "400,000" in first
    assert "4 proved" in first
    assert "object_foreign" not in first
    for shown in (
        "Upper East Side South", "pickup_outside_window", "2023-02-07", "trips/",
        "service=yellow/", "part-0.parquet", "make ui",
    ):  # fmt: skip
        assert shown in first

    without_bigquery = "BigQuery: skipped" in first
    for line in shown_in_readme():
        # Where its emulator cannot be had the last column is missing.
        assert (line[:-10] if without_bigquery and _counts_stores(line) else line) in first

    # Every statement that it tells the newcomer to type, typed as it stands.
    hints = re.findall(r"^  make psql .*?: (.+;)$", first, re.M)
    assert hints
    for statement in hints:
        assert "green" in embedded("stack", "--state", state, "psql", "--", "--command", statement)

    second = embedded("demo", "--state", state)
    assert len(re.findall(r"^\w+ 2023-\d\d {2,}unchanged ", second, re.M)) == 4
    assert "reconciled" not in second
    answers = slice(first.index("== Trips per day"), first.index("== The lake"))
    assert first[answers] in second
