"""Results that were never measured, for what is written from results."""

from collections.abc import Callable

import pytest

from qa.benchmarks.results import StudyResult
from qa.benchmarks.run import Outcome


@pytest.fixture
def study() -> Callable[..., StudyResult]:
    """Make the result of a study from its outcomes."""

    def make(name: str, *outcomes: Outcome, rows: int = 3_000_000) -> StudyResult:
        machine = {"cores": "2", "processor": "a chip", "memory": "4 GiB", "system": "Linux 6",
                   "Python": "3.11.7", "PostgreSQL": "18.6"}  # fmt: skip
        return StudyResult(
            name, "2026-11-22", "abc1234", dirty=False, machine=machine, rows=rows, rounds=2,
            warm_ups=1, outcomes=outcomes,
        )  # fmt: skip

    return make
