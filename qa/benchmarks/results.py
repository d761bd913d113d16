"""The numbers of the last run of every study, kept in results.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import TypeAdapter

Kind = Literal["floor", "ours", "peer"]


@dataclass(frozen=True)
class Run:
    """One run of a case in its own process.

    Attributes:
        seconds: The work itself, as the program reports it: without the start of the interpreter
            and its imports. The complete process where a program reports nothing.
        process: Seconds from start to end of the process.
        client_cpu: CPU seconds, user and system, of the client and the children it collected.
        server_cpu: CPU seconds of the server's process tree meanwhile.
        other_cpu: CPU seconds of everything else on the machine meanwhile, what its host gave to
            others included: near nothing, or the run was disturbed.
        peak_mb: Resident memory of the client's largest process, as the kernel accounts for it.
        steps: Seconds by part of the work, where the program reports them.
    """

    seconds: float
    process: float
    client_cpu: float
    server_cpu: float
    other_cpu: float
    peak_mb: float
    steps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The counted runs of one case, and the figures that stand for them.

    Attributes:
        kind: The server's own minimum, our code, or what a user would pick instead.
        rows: Rows that each run left in its table, counted there.
        share: The part of the study's rows that were loaded; times are scaled up by it.
        reason: Why there are no runs; empty if there are.
    """

    name: str
    title: str
    kind: Kind = "ours"
    rows: int = 0
    share: float = 1.0
    runs: tuple[Run, ...] = ()
    reason: str = ""

    @property
    def seconds(self) -> float:
        """Median of the work itself, for all rows of the study."""
        return self._median(lambda run: run.seconds) / self.share

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs) / self.share

    @property
    def process(self) -> float:
        """Median of the complete process; what does not grow with the rows is not scaled up."""
        return self._median(lambda run: run.process - run.seconds) + self.seconds

    @property
    def client_cpu(self) -> float:
        return self._median(lambda run: run.client_cpu) / self.share

    @property
    def server_cpu(self) -> float:
        return self._median(lambda run: run.server_cpu) / self.share

    @property
    def peak(self) -> float:
        """Megabytes that every run stayed within; of the rows really loaded, never scaled."""
        return max(run.peak_mb for run in self.runs)

    @property
    def microseconds_per_row(self) -> float:
        return 1e6 * self.seconds * self.share / self.rows

    @property
    def steps(self) -> dict[str, float]:
        """Median seconds of each part of the work; empty where the program reports none."""
        names = self.runs[0].steps if self.runs else ()
        return {name: median(run.steps[name] for run in self.runs) for name in names}

    def _median(self, value: Callable[[Run], float]) -> float:
        return median(map(value, self.runs))


@dataclass(frozen=True)
class StudyResult:
    """What one invocation measured of a study.

    Attributes:
        rows: The study's unit of rows.
        dirty: Whether the checkout had changes that ``commit`` does not have.
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

    @property
    def other_cores(self) -> float:
        """Cores that other work kept busy during the runs, on average."""
        runs = [run for outcome in self.outcomes for run in outcome.runs]
        return sum(run.other_cpu for run in runs) / (sum(run.process for run in runs) or 1.0)


Results = Mapping[str, StudyResult]
_FORM = TypeAdapter(dict[str, StudyResult])


def read_results(path: Path) -> dict[str, StudyResult]:
    """The studies of a file by name; empty if there is no file yet."""
    return _FORM.validate_json(path.read_bytes()) if path.exists() else {}


def write_results(path: Path, studies: Results) -> None:
    """Write every study by name, one run per line."""
    text = json.dumps(
        _FORM.dump_python(dict(sorted(studies.items())), mode="json"), ensure_ascii=False, indent=1
    )
    no_lists = r"\{(?:[^{}\[\]]|\{[^{}\[\]]*\})*\}"
    path.write_text(
        re.sub(no_lists, lambda found: " ".join(found[0].split()), text) + "\n", "utf-8"
    )
