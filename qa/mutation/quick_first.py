"""A plugin of pytest for mutmut's runs: the quickest file first, since the first failure ends them.

mutmut sorts tests by itself, but not where it forks from a server.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

_STATS = Path("mutmut-stats.json")
"""Of the last run without a mutant, where mutmut has pytest start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not _STATS.exists():
        return
    seconds = json.loads(_STATS.read_text("utf-8"))["duration_by_test"]
    by_file: Counter[str] = Counter()
    for item in items:
        by_file[_file(item)] += seconds.get(item.nodeid, 0)
    items.sort(key=lambda item: by_file[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
