"""Stores that are lost altogether, and rebuilt from what is left."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

from embedded.stack import CHECKOUT
from qa.chaos.stores import Stores
from qa.chaos.trials import Trial, TwoVersions, run_all

_Loss = tuple[str, Callable[[Stores], object], str, str]
"""What is lost, how, what `nyc-tlc rebuild` is to rebuild (nothing: a run does), and how."""


def run_losses(month: TwoVersions) -> list[Trial]:
    losses = _LOSSES if month.world.stores.has_bigquery else _LOSSES[:2]
    return run_all(losses, partial(_try, month))


def _try(month: TwoVersions, loss: _Loss) -> Trial:
    what, lose, rebuild, outcome = loss
    lose(month.world.stores)
    problems = []
    if rebuild:
        done = subprocess.run(
            [sys.executable, "-m", "nyc_tlc", "rebuild", rebuild],
            cwd=CHECKOUT, env=month.world.stores.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            problems.append(f"rebuild said: {done.stderr}")
    else:
        month.load_again()
    problems += [*month.unlike_undisturbed(), *month.torn()]
    return Trial("loss", what, what, outcome, tuple(problems))


def _lose_postgres(stores: Stores) -> None:
    stores.sql("DROP SCHEMA tlc CASCADE")


def _lose_all_but_raw(stores: Stores) -> None:
    _lose_postgres(stores)
    for prefix in ("trips/", "quarantine/", "manifests/"):
        stores.delete_blobs(prefix)


_LOSSES: Sequence[_Loss] = (
    ("the database", _lose_postgres, "postgres", "rebuilt by `make rebuild-postgres`"),
    ("the database and all of the lake but raw/", _lose_all_but_raw, "everything",
     "rebuilt by `make rebuild`"),
    ("BigQuery's dataset", Stores.drop_bigquery, "", "loaded by the next run, from the lake"),
)  # fmt: skip
