"""docs/mutation.md says what was found, and what was found is good enough."""

import json
from pathlib import Path

import pytest

from mutation.__main__ import PAGE, RESULTS
from mutation.judgements import Judgement, judged, read_judgements
from mutation.report import report, share, total
from mutation.verdicts import Mutant, Verdict, counted, read_mutants

JUDGEMENTS = read_judgements()


@pytest.fixture(scope="module")
def found():
    return json.loads(RESULTS.read_text("utf-8"))


def test_the_page_is_what_the_results_and_judgements_render(found):
    written = PAGE.read_text("utf-8")
    assert written == report(found, JUDGEMENTS), "stale: run `make mutation ARGS=report`"


def test_tests_of_the_core_kill_85_of_100_mutants(found):
    counts = total(found["modules"].values())
    assert sum(counts.values()) > 5_000
    assert counts[Verdict.UNKNOWN] == 0
    assert share(counts) >= 0.85


def test_every_mutant_that_lives_is_listed_and_judged(found):
    counts = total(found["modules"].values())
    assert len(found["alive"]) == counts[Verdict.SURVIVED] + counts[Verdict.UNREACHED]
    assert [mutant for mutant in found["alive"] if judged(mutant, JUDGEMENTS) is None] == []


def test_every_judgement_is_of_a_mutant_that_lives(found):
    used = {id(judged(mutant, JUDGEMENTS)) for mutant in found["alive"]}
    assert [one for one in JUDGEMENTS if id(one) not in used] == []
    assert {one.kind for one in JUDGEMENTS} <= {"equivalent", "harmless", "elsewhere"}


def test_every_module_with_functions_was_tried(found):
    root = Path(__file__).parents[2]
    with_functions = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in (root / "nyc_tlc" / "core").rglob("*.py")
        if "\ndef " in path.read_text("utf-8")
    }
    assert with_functions <= set(found["modules"])


def test_nothing_in_the_core_is_exempt():
    root = Path(__file__).parents[2]
    for path in (root / "nyc_tlc").rglob("*.py"):
        assert "no mutate" not in path.read_text("utf-8")


def test_a_mutant_that_no_test_reaches_is_not_killed_and_one_that_ran_out_of_time_is():
    assert share({Verdict.KILLED: 1, Verdict.TIMEOUT: 1, Verdict.UNREACHED: 2}) == 0.5
    assert share({Verdict.KILLED: 1, Verdict.SURVIVED: 1, Verdict.UNKNOWN: 2}) == 0.25


MUTATED = """\
def x_double__mutmut_orig(x: int) -> int:
    return x * 2
def x_double__mutmut_1(x: int) -> int:
    return x / 2
class Box:
    def xǁBoxǁsize__mutmut_orig(self, of: int = 1) -> int:
        return of
    def xǁBoxǁsize__mutmut_1(self, of: int = 2) -> int:
        return of
"""


@pytest.mark.parametrize("failed", [1, -6])  # a failed test; native code that aborted
def test_mutants_are_read_with_what_was_changed(tmp_path, failed):
    source = tmp_path / "a" / "b" / "c.py"
    source.parent.mkdir(parents=True)
    source.write_text(MUTATED)
    spans = {"x_double__mutmut_orig": [1, 2], "x_double__mutmut_1": [3, 4],
             "xǁBoxǁsize__mutmut_orig": [6, 7], "xǁBoxǁsize__mutmut_1": [8, 9]}  # fmt: skip
    source.with_name("c.py.spans").write_text(json.dumps({"version": 1, "spans": spans}))
    codes = {"a.b.c.x_double__mutmut_1": failed, "a.b.c.xǁBoxǁsize__mutmut_1": 33}
    source.with_name("c.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    mutants = list(read_mutants(tmp_path, "a.b"))
    assert mutants == [
        Mutant("a.b.c.x_double__mutmut_1", "a.b.c", "double", Verdict.KILLED,
               "-return x * 2\n+return x / 2"),
        Mutant("a.b.c.xǁBoxǁsize__mutmut_1", "a.b.c", "Box.size", Verdict.UNREACHED,
               "-def xǁBoxǁsize(self, of: int = 1) -> int:\n"
               "+def xǁBoxǁsize(self, of: int = 2) -> int:"),
    ]  # fmt: skip
    assert counted(mutants) == {"a.b.c": {"killed": 1, "not reached": 1}}


def test_the_first_judgement_that_speaks_of_a_mutant_counts():
    mutant = {"module": "nyc_tlc.core.zones", "function": "f", "diff": "-a\n+b", "verdict": ""}
    other = Judgement("harmless", "x", module="core.errors")
    first = Judgement("harmless", "y", module="core.zones", change=r"\+b")
    assert judged(mutant, [other, first, Judgement("harmless", "z")]) == first
    assert judged(mutant, [other]) is None
