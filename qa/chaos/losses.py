"""Stores that are lost altogether, and rebuilt from what is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from embedded.stack import CHECKOUT
from qa.chaos.trials import Trial, TwoVersions, run_all
from qa.chaos.world import World

_Loss = tuple[str, Callable[[World], None], Callable[[TwoVersions], Iterator[str]], str]


def run_losses(months: Sequence[TwoVersions]) -> list[Trial]:
    """Lose the database, then all but ``raw/``, then BigQuery's dataset."""
    losses: list[_Loss] = [
        ("the database", _lose_postgres, _rebuild("postgres"),
         "rebuilt by `make rebuild-postgres`"),
        ("the database and all of the lake but raw/", _lose_all_but_raw, _rebuild("everything"),
         "rebuilt by `make rebuild`"),
    ]  # fmt: skip
    if months[0].world.stores.has_bigquery:
        losses.append(
            (
                "BigQuery's dataset",
                _lose_bigquery,
                _load_again,
                "loaded by the next run, from the lake",
            )
        )
    return run_all(months[:1], losses, _try)


def _try(month: TwoVersions, loss: _Loss) -> Trial:
    what, lose, restore, outcome = loss
    lose(month.world)
    problems = (*restore(month), *month.unlike_undisturbed(), *month.torn())
    return Trial("loss", what, outcome, problems)


def _rebuild(what: str) -> Callable[[TwoVersions], Iterator[str]]:
    def rebuild(month: TwoVersions) -> Iterator[str]:
        done = subprocess.run(
            [sys.executable, "-m", "nyc_tlc.jobs.rebuild", what],
            cwd=CHECKOUT, env=month.world.stores.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            yield f"rebuild said: {done.stderr}"

    return rebuild


def _load_again(month: TwoVersions) -> Iterator[str]:
    month.load_again()
    yield from ()


def _lose_postgres(world: World) -> None:
    world.stores.sql("DROP SCHEMA tlc CASCADE")


def _lose_all_but_raw(world: World) -> None:
    _lose_postgres(world)
    for prefix in ("trips/", "quarantine/", "manifests/"):
        for blob in list(world.stores.blobs(prefix)):
            blob.delete()


def _lose_bigquery(world: World) -> None:
    world.stores.drop_bigquery()
