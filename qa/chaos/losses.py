"""Stores that are lost as a whole, and made anew from what is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from embedded.stack import CHECKOUT
from qa.chaos.kills import Tell
from qa.chaos.two_versions import Trial, TwoVersions
from qa.chaos.world import World

_PUBLISHED = ("trips/", "quarantine/", "manifests/")


@dataclass(frozen=True)
class _Loss:
    """Something that is lost, and by what it comes back; ``remake`` gives what went wrong."""

    what: str
    outcome: str
    lose: Callable[[World], None]
    remake: Callable[[TwoVersions], list[str]]


def run_losses(month: TwoVersions, tell: Tell) -> list[Trial]:
    """Lose the database, then all but ``raw/``, then BigQuery's dataset."""
    trials = []
    for loss in _losses(bigquery=month.world.stores.has_bigquery):
        loss.lose(month.world)
        problems = [*loss.remake(month), *month.unlike_undisturbed(), *month.torn()]
        trials.append(Trial("loss", loss.what, loss.outcome, tuple(problems)))
        tell(f"loss  {loss.what}: {'; '.join(problems) or loss.outcome}")
    return trials


def _losses(*, bigquery: bool) -> Iterator[_Loss]:
    yield _Loss(
        "the database is gone", "made anew by `make rebuild-postgres`",
        _lose_postgres, partial(_rebuild, "postgres"),
    )  # fmt: skip
    yield _Loss(
        "the database and all of the lake but raw/ are gone", "made anew by `make rebuild`",
        _lose_all_but_raw, partial(_rebuild, "everything"),
    )  # fmt: skip
    if bigquery:
        yield _Loss(
            "BigQuery's dataset is gone", "loaded anew by the next run, from the lake",
            lambda world: world.stores.drop_bigquery(), _load_again,
        )  # fmt: skip


def _load_again(month: TwoVersions) -> list[str]:
    month.load_again()
    return []


def _rebuild(what: str, month: TwoVersions) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "nyc_tlc.jobs.rebuild", what],
        cwd=CHECKOUT, env=month.world.stores.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [f"rebuild said: {done.stderr}"] if done.returncode else []


def _lose_postgres(world: World) -> None:
    world.stores.sql("DROP SCHEMA tlc CASCADE")


def _lose_all_but_raw(world: World) -> None:
    _lose_postgres(world)
    for prefix in _PUBLISHED:
        for blob in list(world.stores.blobs(prefix)):
            blob.delete()
