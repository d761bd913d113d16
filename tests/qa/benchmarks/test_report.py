"""What is written from the numbers."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from qa.benchmarks.chart import Bar, bar_chart
from qa.benchmarks.goals import goals
from qa.benchmarks.machine import plain
from qa.benchmarks.report import rendered, write_report
from qa.benchmarks.results import ResultsError, read_results, write_results
from qa.benchmarks.run import Outcome, Run


def outcome(name: str, *seconds: float, **changed: object) -> Outcome:
    runs = tuple(
        Run(one, one + 1, client_cpu=2.0, server_cpu=4.0, other_cpu=0.0, peak_mb=100.0)
        for one in seconds
    )
    return Outcome(**{"name": name, "title": name, "rows": 1000, "runs": runs, **changed})


def reached(results: dict) -> dict[str, bool | None]:
    return {goal.text: goal.reached for goal in goals(results)}


def test_results_come_back_as_they_were_written(study, tmp_path: Path):
    written = {
        "compare": study("compare", outcome("job", 2.0, 3.0), outcome("dlt_adbc", reason="no")),
        "scale": study("scale", outcome("yellow_1", 1.0)),
    }
    write_results(tmp_path / "results.json", written)
    assert read_results(tmp_path / "results.json") == written
    lines = (tmp_path / "results.json").read_text().splitlines()
    assert sum('"process"' in line for line in lines) == 3  # one line per run


def test_results_of_another_form_are_named_before_anything_is_measured(tmp_path: Path):
    (tmp_path / "results.json").write_text('{"compare": {"outcomes": [{"runs": [{"x": 1}]}]}}')
    with pytest.raises(ResultsError, match=r"results\.json cannot be read .* Delete it"):
        read_results(tmp_path / "results.json")


def test_no_results_yet_are_none(tmp_path: Path):
    assert read_results(tmp_path / "results.json") == {}


def test_ratios_are_those_of_medians(study):
    text = rendered(
        {"compare": study("compare", outcome("floor", 2, 4, 3), outcome("job", 6, 5, 7))}
    )
    (job,) = re.findall(r"^\| job \| (.*) \|$", text, re.M)
    assert job.split(" | ")[:3] == ["6.00 (5.00)", "2.00", "1.00"]


def test_a_peer_without_runs_is_listed_with_its_reason(study):
    absent = outcome("dlt_adbc", title="dlt", kind="peer", reason="cannot be installed: no")
    text = rendered({"compare": study("compare", outcome("floor", 1.0), absent)})
    assert "* dlt: not measured here: cannot be installed: no" in text
    assert "| dlt |" not in text


def test_a_study_without_its_base_cases_is_still_written(study):
    text = rendered({name: study(name, outcome("a", 1.0)) for name in
                     ("compare", "scale", "partitions", "workers")})  # fmt: skip
    assert text.count("\n| a |") == 4


def test_only_studies_that_were_run_have_a_section(study):
    text = rendered({"workers": study("workers", outcome("one_month", 1.0))})
    assert "## Twelve months" in text
    assert "## Rows against" not in text


def test_other_work_on_the_machine_is_admitted(study):
    calm = outcome("floor", 1.0)
    run = Run(1, 1, client_cpu=1, server_cpu=1, other_cpu=0.5, peak_mb=1)
    assert "trust ratios" not in rendered({"scale": study("scale", calm)})
    assert "trust ratios" in rendered({"scale": study("scale", outcome("a", runs=(run,)))})


def test_goals_say_what_was_reached(study):
    ours = [outcome("floor", 1.0), outcome("load", 1.1), outcome("job", 1.6)]
    mage = outcome("mage_export", 16.0, kind="peer")
    verdicts = reached({"compare": study("compare", *ours, mage)})
    assert verdicts["our load to Postgres, against the floor"] is True
    assert verdicts["our whole job, against the floor"] is False
    assert verdicts["our whole job, against Mage, `Postgres.export`"] is True
    assert verdicts["twelve months in one run, against one month"] is None


def test_a_small_run_judges_nothing(study):
    small = study("compare", outcome("floor", 1.0), outcome("load", 1.0), rows=20_000)
    assert set(reached({"compare": small}).values()) == {None}


def test_a_report_has_a_chart_of_what_was_measured(study, tmp_path: Path):
    ours = outcome("job", 2.0, title="our <job>")
    absent = outcome("dlt_adbc", kind="peer", reason="no")
    write_results(tmp_path / "results.json", {"compare": study("compare", ours, absent)})
    write_report(tmp_path)
    assert (tmp_path / "RESULTS.md").read_text().startswith("# How fast it is")
    texts = [node.text for node in ET.parse(tmp_path / "results.svg").iter() if node.text]
    assert "our <job>" in texts
    assert "2.0 s" in texts
    assert "dlt_adbc" not in texts


def test_a_bar_that_would_dwarf_the_others_is_cut():
    svg = bar_chart(
        "t", "r", [Bar("ours", 5, "ours"), Bar("peer", 10, "peer"), Bar("slow", 500, "peer")]
    )
    widths = [float(width) for width in re.findall(r'<rect x="\d+".*?width="([\d.]+)"', svg)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert widths[2] == pytest.approx(6 * widths[0], rel=0.01)
    assert svg.count("<path") == 1
    assert "500 s" in svg


def test_a_reason_names_no_place_of_this_machine():
    said = plain("error: no wheel at https://index.example/simple/x/\n in /home/me/project/.venv")
    assert said == "error: no wheel at <address> in …/.venv"
    assert len(plain("x" * 1000)) == 301
