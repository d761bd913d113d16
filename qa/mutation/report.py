"""docs/mutation.md from what became of the mutants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from qa.mutation.judgements import Judgement, judged
from qa.mutation.verdicts import Verdict

Results = Mapping[str, Any]
Counts = Mapping[str, int]

_INTRO = """# Would a test notice?

Written by `make mutation` from `qa/mutation/results.json` and `judgements.toml`; do not edit.
[mutmut](https://mutmut.readthedocs.io) {version} changed the functions of `nyc_tlc/core` in one
small way at a time (another number, another operator, an argument left out, a text in capitals)
and ran the tests that reach the function. A mutant that no test notices lives. This is of
{date}, commit `{commit}`.

How it is counted:

- The share is of **all** mutants. One in a function that no test reaches lives; one that makes the
  tests run out of time counts as killed, and is told apart below.
  One that was not tried, because a run was cut short, lives as well, but is not listed.
- Nothing is exempt: no `# pragma: no mutate` in the code.
- mutmut leaves alone what is not in a function (the declarations of contracts, code lists, quality
  rules, finding kinds), properties and other decorated functions, `len`, `isinstance`, and
  triple-quoted texts. Their tests compare them with lists of their own, and real files.
- The tests are those of `tests/unit` and `tests/project` that are about `core` and need no server
  (`[tool.mutmut]` in pyproject.toml), with 15 examples per property instead of 60.
- mutmut forks from a process that has imported the package, so that a mutant of a function that
  only runs at import is never in force. Those that lived were tried again by themselves, in a new
  process each, with the tests of the contracts, the rules and what reads them: {again}.
"""


def report(results: Results, judgements: Sequence[Judgement]) -> str:
    again = results["again"]
    intro = _INTRO.format(
        version=results["mutmut"],
        date=results["date"],
        commit=results["commit"],
        again=f"{again['tried']}, of which {again['killed']} died",
    )
    table = _table(results["modules"])
    return "\n".join([intro, *table, "", *_alive(results["alive"], judgements)])


def share(counts: Counts) -> float:
    """Killed, by a failing test or by running out of time, of all."""
    dead = counts.get(Verdict.KILLED, 0) + counts.get(Verdict.TIMEOUT, 0)
    return dead / sum(counts.values())


def total(modules: Iterable[Counts]) -> dict[str, int]:
    listed = list(modules)
    return {verdict: sum(counts.get(verdict, 0) for counts in listed) for verdict in Verdict}


def _table(modules: Mapping[str, Counts]) -> Iterator[str]:
    yield f"| module | mutants | {' | '.join(Verdict)} | share killed |"
    yield f"|---{'|---:' * (len(Verdict) + 2)}|"
    for module, counts in modules.items():
        yield _row(f"`{module.removeprefix('nyc_tlc.')}`", counts)
    yield _row("**all of core**", total(modules.values()))


def _row(name: str, counts: Counts) -> str:
    numbers = [sum(counts.values()), *(counts.get(verdict, 0) for verdict in Verdict)]
    listed = " | ".join(f"{number:,}" for number in numbers)
    return f"| {name} | {listed} | {100 * share(counts):.1f} % |"


def _alive(alive: Sequence[Mapping[str, str]], judgements: Sequence[Judgement]) -> Iterator[str]:
    yield "## Those that live\n"
    yield (
        "**equivalent**: no input tells it from the original. **harmless**: one does, and it does "
        "not matter. **elsewhere**: a test that is not among these kills it.\n"
    )
    for module, of_module in groupby(alive, key=lambda mutant: mutant["module"]):
        yield f"### {module.removeprefix('nyc_tlc.')}\n"
        yield from (_item(mutant, judged(mutant, judgements)) for mutant in of_module)
        yield ""


def _item(mutant: Mapping[str, str], judgement: Judgement | None) -> str:
    said = f"**{judgement.kind}**: {judgement.why}" if judgement else "**not judged**"
    unreached = " (no test reaches it)" if mutant["verdict"] == Verdict.UNREACHED else ""
    lines = " ".join(f"`` {line} ``" for line in mutant["diff"].split("\n"))
    return f"- `{mutant['function']}`{unreached} {lines} {said}"
