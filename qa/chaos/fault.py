"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from qa.chaos.world import World

ABSORBED = ""
During = Callable[[World], AbstractContextManager[Callable[[], int]]]


class NotPossibleHereError(RuntimeError):
    """This machine does not let us break it like that; the message says why."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        of: Which server, as the report names it.
        during: Breaks it for as long as it is entered; gives how often it really did.
        said: Words of the error with which the run has to end; empty if it has to end well.
    """

    of: str
    what: str
    during: During
    said: str = ABSORBED
