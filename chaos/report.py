"""docs/reliability.md from what the trials found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Results = Mapping[str, Any]

_INTRO = """# What was tried to make it lose a row

Written by `make chaos` from `chaos/results.json`; do not edit. Every trial replaces a month of
140,000 trips by another version of it, on a real PostgreSQL and a GCS emulator, through proxies
that break what passes. After the disturbance every store has to show the old month or the new
one, whole, and the neighbouring month unchanged. Then the run is repeated, undisturbed: Postgres
must hold, row for row, and the lake, byte for byte, what a load that nothing disturbed leaves; and
nothing else may be left: no table, no staged object, no file, no session, no lock.
"""
_TITLES = {
    "kills": (
        "Killed",
        "The process gets SIGKILL before and after everything it does to the outside world: every "
        "request, statement, COPY buffer, commit and change of a file, at its first passage, its "
        "last, and one between. The list is not written by hand: it is what an undisturbed run was "
        "seen to do.",
    ),
    "faults": (
        "Servers and networks that fail",
        "**absorbed**: the run ended well by itself. **refused**: it ended with an error that "
        "what is wrong, having changed nothing; the next run loaded the month.",
    ),
    "crowd": (
        "Everybody at once",
        "Processes load random months, some with force, while the source changes its mind every "
        "0.7 s, and readers look at Postgres and the lake all the time. A reader that sees a month "
        "missing, doubled, or of two versions at once is a problem.",
    ),
    "losses": (
        "Stores that are lost",
        "`make rebuild-postgres` loads the database from the lake; `make rebuild` makes database "
        "and lake from the published bytes in `raw/`.",
    ),
}


def report(results: Results) -> str:
    parts = [_INTRO, _summary(results)]
    parts += [_section(name, results[name]) for name in _TITLES if name in results]
    return "\n".join(parts)


def _summary(results: Results) -> str:
    rows = []
    for name, (title, _) in _TITLES.items():
        if name not in results:
            continue
        reached = [trial for trial in results[name]["trials"] if trial["reached"]]
        wrong = sum(bool(trial["problems"]) for trial in results[name]["trials"])
        kinds = len({_kind(trial) for trial in reached})
        rows.append(
            f"| {title} | {len(reached)} | {kinds} | {wrong} | {results[name]['date']}, "
            f"commit {results[name]['commit']} |"
        )
    head = "| trials | took place | of different kinds | found fault | when |\n"
    return f"{head}|---|---:|---:|---:|---|\n" + "\n".join(rows) + "\n"


def _section(name: str, result: Mapping[str, Any]) -> str:
    title, about = _TITLES[name]
    trials = result["trials"]
    lines = _kill_lines(trials) if name == "kills" else _trial_lines(trials)
    return f"## {title}\n\n{about}\n\n" + "\n".join(lines) + "\n"


def _kill_lines(trials: list[Mapping[str, Any]]) -> Iterator[str]:
    yield "| killed before or after | kills | outcome |"
    yield "|---|---:|---|"
    reached = [trial for trial in trials if trial["reached"]]
    for kind, times in Counter(map(_kind, reached)).items():
        wrong = [p for trial in reached if _kind(trial) == kind for p in trial["problems"]]
        yield f"| {_cell(kind)} | {times} | {_cell('; '.join(wrong)) or 'repaired'} |"
    if missed := len(trials) - len(reached):
        yield ""
        yield (
            f"{missed} more places were not passed in their run: two threads copy, and which of "
            "them needs one buffer more is chance."
        )


def _trial_lines(trials: list[Mapping[str, Any]]) -> Iterator[str]:
    yield "| of | what | outcome | what the run said |"
    yield "|---|---|---|---|"
    for trial in trials:
        outcome = "; ".join(trial["problems"]) or trial["outcome"]
        if not trial["reached"]:
            outcome = "did not take place"
        yield (
            f"| {trial['of']} | {_cell(trial['what'])} | {_cell(outcome)} | "
            f"{_cell(_first(trial['said']))} |"
        )


def _kind(trial: Mapping[str, Any]) -> str:
    """A kill without its side and its occurrence; any other trial as it is."""
    what: str = trial["what"]
    if trial["of"] != "kill":
        return what
    return what.partition(" ")[2].rpartition(" #")[0]


def _first(said: str) -> str:
    """The first partition's error, without the heading of the run."""
    lines = said.splitlines()
    return lines[1].strip() if len(lines) > 1 else said


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
