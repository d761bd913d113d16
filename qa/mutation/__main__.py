"""Try the tests: `make mutation`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embedded.stack import CHECKOUT
from qa.mutation import tool
from qa.mutation.judgements import read_judgements
from qa.mutation.report import report, share, total
from qa.mutation.verdicts import Mutant, Verdict, counted, read_mutants

RESULTS = Path(__file__).with_name("results.json")
PAGE = CHECKOUT / "docs" / "mutation.md"
_PACKAGE = "nyc_tlc.core"
_TESTS_OF_IMPORTS = tuple(
    f"tests/unit/test_{name}.py" for name in ("contract", "quality", "binding", "month")
)


def main(words: Sequence[str] | None = None) -> int:
    what = _parser().parse_args(words).what
    if what != "report":
        os.nice(15)
        results = _known() if what == "collect" else _try_all(anew=what == "all")
        RESULTS.write_text(json.dumps(results, indent=0, ensure_ascii=False) + "\n", "utf-8")
    results = json.loads(RESULTS.read_text("utf-8"))
    PAGE.write_text(report(results, read_judgements()), "utf-8")
    counts = total(results["modules"].values())
    print(f"{100 * share(counts):.1f} % of {sum(counts.values()):,} mutants killed: {PAGE}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all", choices=("all", "alive", "collect", "report"),
        help="all: every mutant (default). alive: those that live, that were not tried, or whose "
        "functions changed. collect: only those that run at import, after a run that was cut "
        "short. report: write the page again, from the results and judgements that are there",
    )  # fmt: skip
    return parser


def _try_all(*, anew: bool) -> dict[str, Any]:
    tool.install()
    tool.copy_checkout(anew=anew)
    lived = set() if anew else _alive()
    tool.try_mutants()
    # What is not known by now is of a run that broke.
    again = lived & _alive() | _named(Verdict.UNKNOWN)
    if again:
        tool.try_mutants(sorted(again))
    return _known()


def _known() -> dict[str, Any]:
    mutants = _mutants()
    again = _alive_since_import(mutants)
    killed = _killed_by_themselves(again)
    final = [replace(m, verdict=Verdict.KILLED) if m.name in killed else m for m in mutants]
    return _results(final, {"tried": len(again), "killed": len(killed)})


def _alive() -> set[str]:
    """Those that tests were tried against, and that live."""
    return _named(Verdict.SURVIVED, Verdict.UNREACHED)


def _named(*verdicts: Verdict) -> set[str]:
    return {m.name for m in _mutants() if m.verdict in verdicts}


def _mutants() -> list[Mutant]:
    return list(read_mutants(tool.MUTANTS, _PACKAGE))


def _alive_since_import(mutants: Iterable[Mutant]) -> list[str]:
    """Those in functions that run at import, where mutmut's fork came too late for them."""
    reached = tool.reached_at_import(_PACKAGE)
    return [m.name for m in mutants if m.is_alive and m.name.partition("__mutmut_")[0] in reached]


def _killed_by_themselves(names: Sequence[str]) -> set[str]:
    if names and tool.killed_by_themselves([""], _TESTS_OF_IMPORTS):
        raise RuntimeError(f"{' '.join(_TESTS_OF_IMPORTS)} fail without any mutant")
    halves = [half for half in (names[::2], names[1::2]) if half]
    with ThreadPoolExecutor(2) as workers:
        killed = workers.map(
            lambda half: tool.killed_by_themselves(half, _TESTS_OF_IMPORTS), halves
        )
        return set().union(*killed)


def _results(mutants: Sequence[Mutant], again: dict[str, int]) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": tool.commit(),
        "mutmut": tool.version(),
        "again": again,
        "modules": counted(mutants),
        "alive": [
            {"module": m.module, "function": m.function, "verdict": m.verdict, "diff": m.diff}
            for m in mutants
            if m.is_alive and m.verdict is not Verdict.UNKNOWN
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
