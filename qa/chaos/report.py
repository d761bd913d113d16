"""docs/reliability.md from what the trials found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Trials = Sequence[Mapping[str, Any]]
Results = Mapping[str, Any]

_INTRO = """# What was tried to make it lose a row

Written by `make chaos` from what each suite kept in `qa/chaos/results/`. In most trials
a month of 140,000 trips is replaced by another version of it, on a real PostgreSQL and emulators of
Cloud Storage and BigQuery, through proxies that break what passes. After the disturbance every
store has to show the old month or the new one, whole, and the neighbouring month unchanged. Then
the run is repeated, undisturbed: Postgres must hold, row for row, the lake, byte for byte, and
BigQuery, by counts and sums, what a load that nothing disturbed leaves; and nothing else may be
left: no table, no staged object, no file, no process, no session, no lock. How often a rule was
found broken is counted below; what was found on the way, and mended, stands at the end.
"""
_TITLES = {
    "kills": (
        "Killed",
        "The process gets SIGKILL before and after everything it does to the outside world: every "
        "request, statement, COPY buffer, commit and change of a file, at its first passage, its "
        "last, and one between. The list is not written by hand: it is what an undisturbed run was "
        "seen to do. Then at moments that nobody has chosen, and `mage run` with all its processes "
        "likewise.",
    ),
    "faults": (
        "Servers, networks and disks that fail",
        "**absorbed**: the run ended well by itself. **refused**: it ended with an error that says "
        "what is wrong, having changed nothing; the next run loaded the month. What an operator "
        "does about each message: [runbook.md](runbook.md).",
    ),
    "crowd": (
        "Everybody at once",
        "Processes load random months, some with force, while the source changes its mind every "
        "0.7 s, and readers look at Postgres and the lake all the time. A reader that sees a month "
        "missing, doubled, or of two versions at once is a problem.",
    ),
    "soak": (
        "For an hour",
        "A process that never ends and Mage's scheduler load months of which the source has a new "
        "version each time, and readers look. Given is the median of the second quarter of the "
        "time and that of the last: what grew by more than its gauge allows "
        "(`qa/chaos/gauges.py`) is "
        "a problem. Mage's outputs and logs were kept for two minutes in place of 90 and 30 days; "
        "its own database grows by some 9 KB a run.\n\n"
        "![What each gauge showed over the hour](soak.svg)",
    ),
    "losses": (
        "Stores that are lost",
        "`make rebuild-postgres` loads the database from the lake; `make rebuild` makes database "
        "and lake from the published bytes in `raw/`.",
    ),
}
_FUZZED = """## Bytes from outside

`make fuzz` gives mutated bytes to everything that reads what others wrote, guided by the lines and
branches that each input reaches. No input may end in a traceback, in memory without bound, or in
rows that are not the file's. The corpora are kept in `qa/fuzz/corpus/`, and every test run reads
them again.

| what is read | executions | time | corpus | found, and mended |
|---|---:|---:|---:|---|
"""
_RULES = {
    "a reader was misled": "reader",
    "something was left": ("orphan", "process is left"),
    "something grew": "grew",
    "the error was another than expected": "the run said",
}


def report(results: Results, fuzzed: Results, found: str) -> str:
    """The page.

    Args:
        results: Of each suite: ``date``, ``commit``, ``trials``.
        fuzzed: Of each target: what it reads, ``executions``, ``seconds``, ``corpus``,
            ``findings``.
        found: What was found and mended, in Markdown.
    """
    parts = [_INTRO, _summary(results), _broken_rules(results)]
    parts += [_section(name, results[name]["trials"]) for name in _TITLES if name in results]
    return "\n".join([*parts, _fuzz_section(fuzzed), found])


def _summary(results: Results) -> str:
    rows = []
    for name, (title, _) in _TITLES.items():
        if name not in results:
            continue
        trials: Trials = results[name]["trials"]
        reached = [trial for trial in trials if trial["reached"]]
        wrong = sum(bool(trial["problems"]) for trial in trials)
        kinds = len(set(map(_kind, reached)))
        rows.append(
            f"| {title} | {len(reached)} | {kinds} | {wrong} | {results[name]['date']}, "
            f"commit {results[name]['commit']} |"
        )
    head = "| | took place | of different kinds | found fault | when |\n"
    return f"{head}|---|---:|---:|---:|---|\n" + "\n".join(rows) + "\n"


def _broken_rules(results: Results) -> str:
    problems = [
        problem
        for result in results.values()
        for trial in result["trials"]
        for problem in trial["problems"]
    ]
    broken = Counter(map(_rule, problems))
    rules = ["a row was lost, doubled or changed", *_RULES]
    rows = "\n".join(f"| {rule} | {broken[rule]} |" for rule in rules)
    return f"| what was found broken | times |\n|---|---:|\n{rows}\n"


def _rule(problem: str) -> str:
    for rule, words in _RULES.items():
        if any(word in problem for word in ([words] if isinstance(words, str) else words)):
            return rule
    return "a row was lost, doubled or changed"


def _section(name: str, trials: Trials) -> str:
    title, about = _TITLES[name]
    lines = _kill_lines(trials) if name == "kills" else _trial_lines(trials)
    return f"## {title}\n\n{about}\n\n" + "\n".join(lines) + "\n"


def _fuzz_section(fuzzed: Results) -> str:
    rows = [
        f"| {_cell(target['reads'])} | {target['executions']:,} | {target['seconds']:,} s | "
        f"{target['corpus']} | {_cell(' '.join(target['findings']))} |"
        for target in fuzzed.values()
    ]
    return _FUZZED + "\n".join(rows) + "\n"


def _kill_lines(trials: Trials) -> Iterator[str]:
    yield "| killed before or after | kills | outcome |"
    yield "|---|---:|---|"
    reached = [trial for trial in trials if trial["reached"]]
    for kind, times in Counter(map(_kind, reached)).items():
        wrong = [p for trial in reached if _kind(trial) == kind for p in trial["problems"]]
        yield f"| {_cell(kind)} | {times} | {_cell('; '.join(wrong)) or 'repaired'} |"
    if missed := len(trials) - len(reached):
        yield ""
        yield (
            f"{missed} more were not passed in their run: two threads copy, and which of them "
            "needs one buffer more is chance; or the run was over first."
        )


def _trial_lines(trials: Trials) -> Iterator[str]:
    yield "| of | what | outcome | what the run said |"
    yield "|---|---|---|---|"
    for trial in trials:
        outcome = "; ".join(trial["problems"]) or trial["outcome"]
        if not trial["reached"] and not trial["outcome"].startswith("not tried"):
            outcome = "did not take place"
        yield (
            f"| {trial['of']} | {_cell(trial['what'])} | {_cell(outcome)} | "
            f"{_cell(_first(trial['said']))} |"
        )


def _kind(trial: Mapping[str, Any]) -> str:
    """Of a kill the boundary; of one at any moment, what was killed; else the trial itself."""
    what: str = trial["what"]
    kinds = {
        "kill": what.partition(" ")[2].rpartition(" #")[0],
        "random kill": "a moment that nobody has chosen",
        "mage run": "a moment of `mage run`",
    }
    return kinds.get(trial["of"], f"{trial['of']}: {what}")


def _first(said: str) -> str:
    """The first partition's error, without the heading of the run."""
    lines = said.splitlines()
    return lines[1].strip() if len(lines) > 1 else said


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
