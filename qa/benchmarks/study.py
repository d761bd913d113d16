"""How large a study is to be, and which of its cases are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qa.benchmarks.case import Case, Tell
from qa.benchmarks.workbench import Workbench


@dataclass(frozen=True)
class Plan:
    """The size of one study.

    Attributes:
        rows: Its unit: rows of the month, of each month, or of the smallest file.
        quick: Make everything small: to see that it works, not how fast it is.
        wanted: Names of the cases to run; empty for all.
    """

    rows: int
    quick: bool
    wanted: frozenset[str]
    tell: Tell

    def wants(self, name: str) -> bool:
        return not self.wanted or name in self.wanted


@dataclass(frozen=True)
class Study:
    """One question, and how its cases are made.

    Attributes:
        names: Names of all its cases.
        rows: Its unit of rows unless another is given; of a quick run in ``quick_rows``.
        rounds: Counted rounds unless others are given.
    """

    name: str
    title: str
    names: tuple[str, ...]
    rows: int
    quick_rows: int
    rounds: int
    cases: Callable[[Workbench, Plan], list[Case]]
