"""What was asked of the pipeline's speed, and how far the last runs reached it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from qa.benchmarks import summary
from qa.benchmarks.peer import PEERS
from qa.benchmarks.results import StudyResult
from qa.benchmarks.run import Outcome
from qa.benchmarks.studies import STUDIES

Results = Mapping[str, StudyResult]

_FASTER = {
    "mage_export": 8.0,
    "pandas_to_sql": 40.0,
    "pandas_to_sql_psycopg": 40.0,
    "dlt_adbc": 1.6,
}
"""How many times faster than which peer; faster than every other one."""
_PEAK_MB = 450.0


@dataclass(frozen=True)
class Goal:
    """One promise.

    Attributes:
        asked: The limit, for people.
        found: What was measured.
        reached: None where nothing was measured.
    """

    text: str
    asked: str
    found: str = "not measured"
    reached: bool | None = None


def goals(results: Results) -> list[Goal]:
    """Every promise; a study of fewer rows than its own counts as not measured."""
    return [*_against_the_floor(results), *_against_peers(results), *_growth(results)]


def _against_the_floor(results: Results) -> Iterator[Goal]:
    for name, text, limit in (
        ("load", "our load to Postgres, against the floor", 1.15),
        ("job", "our whole job, against the floor", 1.5),
    ):
        yield _at_most(text, limit, _ratio(results, "compare", (name, "floor"), summary.seconds))


def _against_peers(results: Results) -> Iterator[Goal]:
    for peer in PEERS:
        limit = _FASTER.get(peer.name, 1.0)
        ratio = _ratio(results, "compare", (peer.name, "job"), summary.seconds)
        text, asked = f"our whole job, against {peer.title}", f"≥ {limit:g} × faster"
        if ratio is None:
            yield Goal(text, asked)
        else:
            yield Goal(text, asked, f"{ratio:.2f} ×", ratio >= limit)


def _growth(results: Results) -> Iterator[Goal]:
    text, asked = "peak memory of our whole job, 3 million rows", f"< {_PEAK_MB:.0f} MB"
    if job := _outcome(results, "compare", "job"):
        peak = summary.peak(job)
        yield Goal(text, asked, f"{peak:.0f} MB", peak < _PEAK_MB)
    else:
        yield Goal(text, asked)
    for text, limit, study, cases, value in (
        ("peak memory, 20 against 3 million rows of fhvhv", 1.15,
         "scale", ("fhvhv_20", "fhvhv_3"), summary.peak),
        ("time per row, 20 against 3 million rows of fhvhv", 1.10,
         "scale", ("fhvhv_20", "fhvhv_3"), summary.microseconds_per_row),
        ("our load with 200 other months present, against none", 1.05,
         "partitions", ("present_200", "present_0"), summary.seconds),
        ("twelve months in one run, against one month", 12 * 0.8,
         "workers", ("workers_2", "one_month"), summary.seconds),
    ):  # fmt: skip
        yield _at_most(text, limit, _ratio(results, study, cases, value))


def _at_most(text: str, limit: float, ratio: float | None) -> Goal:
    if ratio is None:
        return Goal(text, f"≤ {limit:g} ×")
    return Goal(text, f"≤ {limit:g} ×", f"{ratio:.2f} ×", ratio <= limit)


def _ratio(
    results: Results, study: str, cases: tuple[str, str], value: Callable[[Outcome], float]
) -> float | None:
    """The value of one case of a study, in that of another."""
    one, base = (_outcome(results, study, case) for case in cases)
    return value(one) / value(base) if one and base else None


def _outcome(results: Results, study: str, name: str) -> Outcome | None:
    """The outcome of a case; None where nothing, or too little to judge by, was measured."""
    result = results.get(study)
    return result.outcome(name) if result and result.rows >= STUDIES[study].rows else None
