"""Try mutants of functions that run at import: each in a process that imports nothing before it.

`tool.py` runs this where the mutants are. Names come by the standard input, tests as arguments; a
line goes out for each mutant: its name, and pytest's exit code.
"""

from __future__ import annotations

import importlib
import os
import sys

import pytest

_HEAVY = (
    "duckdb", "numpy", "pandas", "psycopg2", "pyarrow.acero", "pyarrow.compute",
    "pyarrow.parquet", "pydantic", "pyproj", "shapefile", "shapely", "sqlglot",
)  # fmt: skip
"""Packages of others, which take most of the time: imported once, for every mutant's process.
None with a plugin for pytest, which wants to see those imported."""


def main() -> None:
    for name in _HEAVY:
        importlib.import_module(name)
    for mutant in sys.stdin.read().split("\n"):
        sys.stdout.write(f"{mutant} {_exit_code(mutant, sys.argv[1:])}\n")
        sys.stdout.flush()


def _exit_code(mutant: str, tests: list[str]) -> int:
    child = os.fork()
    if child == 0:
        os.environ["MUTANT_UNDER_TEST"] = mutant
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(pytest.main(["-x", "-q", "--rootdir=.", "-p", "no:cacheprovider", *tests]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
