"""Stores that are lost as a whole, and made anew from what is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from chaos.kills import Tell
from chaos.two_versions import Trial, TwoVersions
from chaos.world import World
from embedded.stack import CHECKOUT

_PUBLISHED = ("trips/", "quarantine/", "manifests/")


def run_losses(month: TwoVersions, tell: Tell) -> list[Trial]:
    """Lose the database, then everything but ``raw/``."""
    losses: tuple[tuple[str, str, Callable[[World], None]], ...] = (
        ("the database is gone", "postgres", _lose_postgres),
        ("the database and all of the lake but raw/ are gone", "everything", _lose_all_but_raw),
    )
    trials = []
    for what, rebuilt, lose in losses:
        lose(month.world)
        problems = [*_rebuild(month.world, rebuilt), *month.unlike_undisturbed(), *month.torn()]
        trials.append(Trial("loss", what, f"rebuilt by `rebuild {rebuilt}`", tuple(problems)))
        tell(f"loss  {what}: {'; '.join(problems) or trials[-1].outcome}")
    return trials


def _rebuild(world: World, what: str) -> Iterator[str]:
    done = subprocess.run(
        [sys.executable, "-m", "nyc_tlc.rebuild", what],
        cwd=CHECKOUT, env=world.stores.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        yield f"rebuild said: {done.stderr}"


def _lose_postgres(world: World) -> None:
    world.stores.sql("DROP SCHEMA tlc CASCADE")


def _lose_all_but_raw(world: World) -> None:
    _lose_postgres(world)
    for prefix in _PUBLISHED:
        for blob in list(world.stores.blobs(prefix)):
            blob.delete()
