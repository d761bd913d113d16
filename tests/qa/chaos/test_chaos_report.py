"""The report of `make chaos`: what it counts, and that the full run was as large as promised."""

import json
import re
from pathlib import Path

import pytest

from qa.chaos.boundaries import FailPoint
from qa.chaos.chart import chart
from qa.chaos.gauges import GAUGES, Gauge, compared, has_grown
from qa.chaos.report import report
from qa.chaos.two_versions import Trial

ROOT = Path(__file__).parents[3]
RESULTS = {
    file.stem: json.loads(file.read_text("utf-8"))
    for file in (ROOT / "qa" / "chaos" / "results").glob("*.json")
}


FUZZED = json.loads((ROOT / "qa" / "fuzz" / "results.json").read_text("utf-8"))


def result(*trials):
    return {"date": "d", "commit": "c", "trials": [vars(trial) for trial in trials]}


def test_the_report_tells_what_was_found():
    good = Trial("kill", str(FailPoint("step: land", 1, "before")), "killed", ())
    bad = Trial("GCS", "a copy | lost", "absorbed", ("a row is gone",), said="x failed:\n  why")
    target = {
        "reads": "names",
        "executions": 1_234_567,
        "seconds": 60,
        "corpus": 7,
        "findings": ["a", "b"],
    }
    results = {"kills": result(good), "faults": result(bad)}
    text = report(results, {"lake_paths": target}, "## Found\n")
    assert "| step: land | 1 | repaired |" in text
    assert "| GCS | a copy \\| lost | a row is gone | why |" in text
    assert "| Servers, networks and disks that fail | 1 | 1 | 1 |" in text
    assert "| names | 1,234,567 | 60 s | 7 | a b |" in text
    assert text.endswith("## Found\n")


@pytest.mark.parametrize(
    ("problem", "row"),
    [
        ("after it Postgres shows None", "| a row was lost, doubled or changed | 1 |"),
        ("a reader of the lake saw x as y", "| a reader was misled | 1 |"),
        ("in the end there is an orphan: table: x", "| something was left | 1 |"),
        ("grew: 1.0 → 9.0 MB", "| something grew | 1 |"),
        ("the run said 'x', expected 'y'", "| the error was another than expected | 1 |"),
    ],
)
def test_every_problem_is_counted_under_its_rule(problem, row):
    text = report({"crowd": result(Trial("crowd", "all", "", (problem,)))}, {}, "")
    assert row in text
    assert sum(line.endswith("| 0 |") for line in text.splitlines()) == 4


def test_the_first_quarter_is_for_warming_up_and_the_medians_are_compared():
    samples = [[float(at)] * len(GAUGES) for at in (99, 99, 1, 3, 50, 50, 5, 7)]
    assert compared(samples) == [(2.0, 6.0)] * len(GAUGES)


def test_a_gauge_has_grown_when_it_passes_its_share_and_slack():
    gauge = Gauge("memory", "MB", share=0.1, slack=5)
    assert not has_grown(gauge, 100, 115)
    assert has_grown(gauge, 100, 115.1)


def test_the_page_is_made_from_what_the_suites_kept():
    found = (ROOT / "qa" / "chaos" / "found.md").read_text("utf-8")
    assert (ROOT / "docs" / "reliability.md").read_text("utf-8") == report(RESULTS, FUZZED, found)


def test_the_chart_has_a_line_for_every_gauge():
    gauge = Trial("soak", "files <open>", "1.0 → 2.0", (), series=(1.0, 2.0, 4.0))
    (line,) = re.findall(
        r'points="([^"]*)"', chart([vars(gauge), vars(Trial("soak", "x", "", ()))])
    )
    assert line == "15.0,80.0 150.0,68.0 285.0,44.0"
    assert "files &lt;open&gt;" in chart([vars(gauge)])
    assert (ROOT / "docs" / "soak.svg").read_text("utf-8") == chart(RESULTS["soak"]["trials"])


def test_the_full_run_was_as_large_as_promised_and_found_nothing():
    trials = {
        name: [trial for trial in kept["trials"] if trial["reached"]]
        for name, kept in RESULTS.items()
    }
    assert not [trial for kept in trials.values() for trial in kept if trial["problems"]]
    kills = [trial["what"] for trial in trials["kills"] if trial["of"] == "kill"]
    assert len(kills) >= 200
    assert len({what.partition(" ")[2].rpartition(" #")[0] for what in kills}) >= 25
    assert len(trials["faults"]) >= 40
    assert trials["crowd"][0]["what"].endswith("for 1800 s")
    assert trials["soak"][0]["what"].startswith("60 minutes")
    assert len(trials["losses"]) == 3
