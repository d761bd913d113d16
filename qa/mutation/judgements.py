"""What people made of the mutants that live: `judgements.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JUDGEMENTS = Path(__file__).with_name("judgements.toml")


@dataclass(frozen=True)
class Judgement:
    """Why mutants may live. Of what is not stated, anything will do.

    Attributes:
        kind: ``equivalent``: no input tells it from the original. ``harmless``: one does, and it
            does not matter. ``elsewhere``: a test that needs a server, or more time, kills it.
        module: Below ``nyc_tlc``.
        change: Regular expression that is found in the difference.
    """

    kind: str
    why: str
    module: str = ""
    function: str = ""
    change: str = ""

    def is_of(self, mutant: Mapping[str, str]) -> bool:
        """Whether it speaks of a mutant."""
        module = mutant["module"].removeprefix("nyc_tlc.")
        return (
            self.module in {"", module}
            and self.function in {"", mutant["function"]}
            and re.search(self.change, mutant["diff"]) is not None
        )


def read_judgements(path: Path = JUDGEMENTS) -> list[Judgement]:
    stated: Sequence[Mapping[str, Any]] = tomllib.loads(path.read_text("utf-8"))["judgement"]
    return [Judgement(**one) for one in stated]


def judged(mutant: Mapping[str, str], judgements: Sequence[Judgement]) -> Judgement | None:
    """The first judgement that speaks of a mutant."""
    return next((one for one in judgements if one.is_of(mutant)), None)
