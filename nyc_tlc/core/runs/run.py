"""A run of the pipeline, by the name that its rows and its staged files carry."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

_INSTANT = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True, order=True)
class Run:
    """One run: when it began (UTC), and what tells apart two that began in the same microsecond."""

    began: datetime
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __str__(self) -> str:
        return f"{self.began:{_INSTANT}}-{self.token}"

    @classmethod
    def parse(cls, name: str) -> Run:
        """The run of this name.

        Raises:
            ValueError: no run of ours is named so.
        """
        instant, _, token = name.partition("-")
        run = cls(datetime.strptime(instant, _INSTANT).replace(tzinfo=UTC), token)
        if not token or str(run) != name:
            raise ValueError(f"{name!r} is not a run's name")
        return run
