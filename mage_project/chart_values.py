"""What the charts of tlc_trips draw, from the run tables that the blocks return."""

import json
from collections import Counter

import pandas as pd

from mage_project.frames import run_table

_BEFORE = {"conform": "land", "load": "conform", "publish": "conform", "bigquery": "publish"}
"""The step after which each step begins: load and publish both follow conform."""


Outputs = pd.DataFrame | list[pd.DataFrame]


def rows_by_reason(outputs: Outputs) -> dict[str, int]:
    """Quarantined rows by reason, all months together, the most frequent first."""
    rows: Counter[str] = Counter()
    for reasons in run_table(outputs)["reasons"]:
        rows.update(json.loads(reasons))
    return dict(rows.most_common())


def seconds_by_step(**tables: Outputs) -> dict[str, float]:
    """Seconds of each step; a table has the seconds since the run began."""
    totals = {step: float(run_table(table)["seconds"].sum()) for step, table in tables.items()}
    return {
        step: round(total - totals.get(_BEFORE.get(step, ""), 0), 3)
        for step, total in totals.items()
    }
