"""What is known of a measured case: the numbers of each run, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MEGABYTE = 1_000_000
Kind = Literal["floor", "ours", "peer"]


@dataclass(frozen=True)
class Run:
    """One run of a case in a process of its own.

    Attributes:
        seconds: The work itself, as the program reports it: without the start of the interpreter
            and its imports. The whole process where a program reports nothing.
        process: Seconds from start to end of the whole process.
        client_cpu: CPU seconds, user and system, of the client's process tree.
        server_cpu: CPU seconds of the server's process tree meanwhile.
        other_cpu: CPU seconds of everything else on the machine meanwhile, what its host gave to
            others included: near nothing, or the run was disturbed.
        peak_mb: Most resident memory of the client's process tree at one time.
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
    """The counted runs of one case.

    Attributes:
        kind: What the server itself needs, what is ours, what a user would pick instead.
        rows: Rows that each run left in its table, counted there.
        share: The part of the study's rows that were loaded; times are scaled up by it.
        version: Of the packages that did it, if they are not the project's own.
        reason: Why there are no runs; empty if there are.
    """

    name: str
    title: str
    kind: Kind = "ours"
    rows: int = 0
    share: float = 1.0
    version: str = ""
    runs: tuple[Run, ...] = ()
    reason: str = ""


class CaseFailedError(Exception):
    """A case could not be run, or left the wrong rows behind; the message says why."""
