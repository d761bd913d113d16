"""What `make mutation` adds to mutmut: the order of tests, a fresh import for some, the score.

mutmut has pytest load this module as a plugin. It sorts a mutant's tests, which mutmut does not do
with a fork server, and notes which functions run at import. As a program, it scores the run and
prints the surviving mutants.

mutmut forks from a process that has imported nyc_tlc.core, so a mutant of a function that runs
only at import is never in force. Such survivors are tried again, each in a process that imports
nyc_tlc.core with the mutant in place.
"""

import fnmatch
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_MUTANTS = Path("mutants")
_STATS = Path("mutmut-stats.json")
_CALLED_AT_IMPORT = Path("called-at-import.json")
_TESTS_OF_IMPORTS = (
    "tests/unit/contract", "tests/unit/test_month.py", "tests/unit/rows/test_binding.py",
    "tests/unit/rows/test_rules.py",
)  # fmt: skip
_ALIVE = {0: "survived", 5: "no test", 33: "no test", None: "not tried", 255: "not tried"}
"""Exit codes of pytest and mutmut. mutmut counts 255 as a timeout, but pytest gave up by itself.
Any other code is a failed test, a timeout, or a signal that native code raised: killed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the quickest file first, and its quickest test: the first failure ends the run."""
    if not _STATS.exists():
        return
    seconds = json.loads(_STATS.read_text("utf-8"))["duration_by_test"]
    by_file: Counter[Path] = Counter()
    for item in items:
        by_file[item.path] += seconds.get(item.nodeid, 0)
    items.sort(key=lambda item: (by_file[item.path], seconds.get(item.nodeid, 0)))


def pytest_collection_finish() -> None:
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        from mutmut.state import state

        _CALLED_AT_IMPORT.write_text(json.dumps(sorted(state()._stats)), "utf-8")  # noqa: SLF001


def main(pattern: str = "*") -> None:
    codes: dict[str, int | None] = {}
    for meta in sorted(_MUTANTS.rglob("*.py.meta")):
        of_module = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
        codes |= {mutant: of_module[mutant] for mutant in fnmatch.filter(of_module, pattern)}
    alive = {mutant: _ALIVE[code] for mutant, code in codes.items() if code in _ALIVE}
    at_import = set(json.loads((_MUTANTS / _CALLED_AT_IMPORT).read_text("utf-8")))
    again = [mutant for mutant in alive if mutant.partition("__mutmut_")[0] in at_import]
    without = _import_and_test("")
    if without.returncode:
        raise SystemExit(f"Without any mutant the tests fail:\n{without.stdout}")
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for mutant, done in zip(again, workers.map(_import_and_test, again), strict=True):
            if done.returncode:
                del alive[mutant]
    _print(codes, alive)


def _import_and_test(mutant: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of what is made at import, in a process that has not imported it."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *_TESTS_OF_IMPORTS],
        cwd=_MUTANTS,
        env={**os.environ, "MUTANT_UNDER_TEST": mutant},
        capture_output=True,
        text=True,
        check=False,
    )


def _print(mutants: Mapping[str, object], alive: Mapping[str, str]) -> None:
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    for mutant, verdict in alive.items():
        print(f"\n{mutant}: {verdict}")
        print(*get_diff_for_mutant(mutant).splitlines()[2:], sep="\n")
    print("\nSurvivors and mutants by module:")
    of_all, living = (
        Counter(name.rpartition(".")[0] for name in names) for names in (mutants, alive)
    )
    for module, count in living.most_common():
        print(f"{count:6,} of {of_all[module]:6,}  {module}")
    score = 100 * (1 - len(alive) / len(mutants))
    print(f"{score:.1f} % of {len(mutants):,} mutants killed, {len(alive):,} survive")


if __name__ == "__main__":
    main(*sys.argv[1:])
