"""The raw numbers of the last run of every study, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa.benchmarks.run import Outcome, Run


class ResultsError(RuntimeError):
    """The kept results are not of the form that this version writes."""


@dataclass(frozen=True)
class StudyResult:
    """What one invocation measured of a study.

    Attributes:
        rows: The study's unit of rows.
        dirty: Whether the checkout had changes that ``commit`` does not hold.
    """

    name: str
    date: str
    commit: str
    dirty: bool
    machine: dict[str, str]
    rows: int
    rounds: int
    warm_ups: int
    outcomes: tuple[Outcome, ...]

    def outcome(self, name: str) -> Outcome | None:
        """The outcome of a case that has runs; None if it was not asked for, or has none."""
        return next((o for o in self.outcomes if o.name == name and o.runs), None)


def read_results(path: Path) -> dict[str, StudyResult]:
    """The studies of a file by name; none where there is no file yet.

    Raises:
        ResultsError: another version of the harness wrote it. Delete it, and measure anew.
    """
    if not path.exists():
        return {}
    try:
        return {name: _study(kept) for name, kept in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error}). Nothing was measured. Delete it, and run every "
            "study anew."
        ) from error


def write_results(path: Path, studies: Mapping[str, StudyResult]) -> None:
    kept = {name: asdict(study) for name, study in sorted(studies.items())}
    path.write_text(_rendered(kept) + "\n", encoding="utf-8")


def _study(kept: dict[str, Any]) -> StudyResult:
    outcomes = tuple(
        Outcome(**{**outcome, "runs": tuple(Run(**run) for run in outcome["runs"])})
        for outcome in kept["outcomes"]
    )
    return StudyResult(**{**kept, "outcomes": outcomes})


def _rendered(value: object, indent: str = "") -> str:
    """JSON with one run per line: what holds a list gets lines of its own, the rest does not."""
    deeper = f"{indent} "
    if isinstance(value, Mapping) and _holds_lists(value):
        items = [f"{json.dumps(key)}: {_rendered(item, deeper)}" for key, item in value.items()]
        opening, closing = "{}"
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        items, (opening, closing) = [_rendered(item, deeper) for item in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    body = ",\n".join(f"{deeper}{item}" for item in items)
    return f"{opening}\n{body}\n{indent}{closing}"


def _holds_lists(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_lists(item) for item in value.values())
    return isinstance(value, list | tuple)
