"""A calendar month, the unit in which TLC publishes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from nyc_tlc.core.errors import shorten

_YYYY_MM = re.compile(r"([1-9]\d{3})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month of New York wall-clock time."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            raise ValueError(f"month {self.month} is not one of 1..12")

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read ``2024-01``.

        Raises:
            ValueError: the text has another form.
        """
        match = _YYYY_MM.fullmatch(text)
        if match is None:
            raise ValueError(f"{shorten(text)!r} is not a month of the form 2024-01")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Month:
        return cls(day.year, day.month)

    @property
    def start(self) -> datetime:
        """First instant of the data interval."""
        return datetime(self.year, self.month, 1)  # noqa: DTZ001 - wall clock, as published

    @property
    def end(self) -> datetime:
        """First instant after the half-open data interval."""
        return (self + 1).start

    def __add__(self, months: int) -> Month:
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    def __sub__(self, months: int) -> Month:
        return self + -months

    def through(self, last: Month) -> tuple[Month, ...]:
        """Every month from this one to ``last``, both included; empty if ``last`` is earlier."""
        count = (last.year - self.year) * 12 + last.month - self.month + 1
        return tuple(self + i for i in range(count))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"
