"""What became of each mutant, read from the files that mutmut leaves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import ndiff
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """What the tests made of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    UNREACHED = "not reached"
    UNKNOWN = "not tried"


_LIVE = (Verdict.SURVIVED, Verdict.UNREACHED, Verdict.UNKNOWN)
_BY_EXIT_CODE: Mapping[int | None, Verdict] = {
    None: Verdict.UNKNOWN,
    0: Verdict.SURVIVED,
    1: Verdict.KILLED,
    3: Verdict.KILLED,  # the mutant broke pytest itself
    5: Verdict.UNREACHED,
    33: Verdict.UNREACHED,
    255: Verdict.UNKNOWN,  # pytest refused its arguments; mutmut itself calls that a timeout
}
"""pytest's own, and mutmut's for a function that no test calls."""
_OUT_OF_TIME = {-24, -9, 24, 36, 152}
_MARK = "__mutmut_"


@dataclass(frozen=True)
class Mutant:
    """One small change to one function.

    Attributes:
        name: mutmut's, which has a number that changes with the function.
        function: ``Class.method``, or the name of a function.
        diff: What was changed: lines without indentation, those that went and those that came.
    """

    name: str
    module: str
    function: str
    verdict: Verdict
    diff: str

    @property
    def is_alive(self) -> bool:
        return self.verdict in _LIVE


def read_mutants(folder: Path, package: str) -> Iterator[Mutant]:
    """Every mutant of a package, module by module.

    Args:
        folder: With the mutated files, each beside ``.meta`` and ``.spans``.
        package: ``nyc_tlc.core``.
    """
    for meta in sorted(folder.joinpath(*package.split(".")).rglob("*.py.meta")):
        yield from _of_module(folder, meta.with_suffix(""))


def _of_module(folder: Path, source: Path) -> Iterator[Mutant]:
    module = ".".join(source.relative_to(folder).with_suffix("").parts)
    exit_codes = json.loads(source.with_name(f"{source.name}.meta").read_text())["exit_code_by_key"]
    spans = json.loads(source.with_name(f"{source.name}.spans").read_text())["spans"]
    lines = source.read_text("utf-8").splitlines()

    def body(name: str) -> list[str]:
        first, last = spans[name]
        return [line.strip() for line in lines[first - 1 : last]]

    for name, exit_code in exit_codes.items():
        mangled = name.rpartition(".")[2]
        original = mangled.partition(_MARK)[0] + f"{_MARK}orig"
        diff = _difference(body(original), body(mangled))
        yield Mutant(name, module, _function(mangled), _verdict(exit_code), diff)


def _verdict(exit_code: int | None) -> Verdict:
    if exit_code in _OUT_OF_TIME:
        return Verdict.TIMEOUT
    if exit_code is not None and exit_code < 0:
        return Verdict.KILLED  # the mutant let native code end the process by a signal
    if exit_code not in _BY_EXIT_CODE:
        raise ValueError(f"exit code {exit_code} is none that mutmut documents")
    return _BY_EXIT_CODE[exit_code]


def _function(mangled: str) -> str:
    """``x_name__mutmut_1`` or ``xǁClassǁname__mutmut_1`` as it is called in the source."""
    return mangled.partition(_MARK)[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")


def _difference(original: Iterable[str], mutated: Iterable[str]) -> str:
    before, after = (
        [_unmarked(line) for line in lines] for lines in (list(original), list(mutated))
    )
    changed = [line for line in ndiff(before, after) if line[0] in "+-"]
    return "\n".join(line[0] + line[2:] for line in changed)


def _unmarked(line: str) -> str:
    """The head of a function without the number, in which alone it may differ."""
    name, mark, rest = line.partition(_MARK)
    return f"{name}({rest.partition('(')[2]}" if mark and line.startswith("def ") else line


def counted(mutants: Iterable[Mutant]) -> dict[str, dict[str, int]]:
    """Mutants of each module by verdict."""
    by_module: dict[str, Counter[str]] = {}
    for mutant in mutants:
        by_module.setdefault(mutant.module, Counter())[mutant.verdict] += 1
    return {
        module: {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}
        for module, counts in by_module.items()
    }
