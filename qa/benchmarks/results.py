"""The numbers of the last run of every study, kept in results.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter


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
        rows: Rows that each run left in its table, counted there.
        share: The part of the study's rows that were loaded.
        reason: Why there are no runs; empty if there are.
    """

    title: str
    rows: int = 0
    share: float = 1.0
    runs: tuple[Run, ...] = ()
    reason: str = ""

    def median(self, figure: str) -> float:
        """Median of a figure of the runs, scaled up to all rows of the study."""
        return float(median(getattr(run, figure) for run in self.runs)) / self.share

    @property
    def seconds(self) -> float:
        return self.median("seconds")

    @property
    def microseconds_per_row(self) -> float:
        return 1e6 * self.seconds * self.share / self.rows

    @property
    def peak(self) -> float:
        """Megabytes that every run stayed within; of the rows really loaded, never scaled."""
        return max(run.peak_mb for run in self.runs)


@dataclass(frozen=True)
class StudyResult:
    """What one invocation measured of a study.

    Attributes:
        conditions: Date, commit, machine and so on, as the report says it.
        rows: The study's unit of rows.
        outcomes: By name of the case.
    """

    conditions: str
    rows: int
    outcomes: dict[str, Outcome]

    @property
    def measured(self) -> dict[str, Outcome]:
        """The outcomes that have runs."""
        return {name: outcome for name, outcome in self.outcomes.items() if outcome.runs}


Results = Mapping[str, StudyResult]
_FORM = TypeAdapter(dict[str, StudyResult])


def read_results(path: Path) -> dict[str, StudyResult]:
    """The studies of a file, by name."""
    return _FORM.validate_json(path.read_bytes())


def write_results(path: Path, studies: Results) -> None:
    text = _FORM.dump_json(dict(studies), indent=1, exclude_defaults=True)
    path.write_bytes(text + b"\n")
