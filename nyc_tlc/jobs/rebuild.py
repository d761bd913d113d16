"""Rebuild stores from the lake: `make rebuild-postgres`, `make rebuild`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow, start
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.steps.land import landed_before
from nyc_tlc.steps.load_from_lake import restore


class Rebuild(Trips):
    """Trips on their way from the lake to every other store.

    A PipelineError names every month that failed, and why; the others are done.
    """

    def rebuild(self, what: str, service: str, months: str, *, only_plan: bool) -> None:
        """Say which months of the lake are chosen, and rebuild stores from them.

        Args:
            what: ``postgres``: from what is published; ``everything``: from ``raw/``.
            service: One, a list, or ``all``.
            months: As of a run; empty: every month that the lake has.
            only_plan: Only say which.
        """
        prefix, run = (
            ("manifests/", self.postgres) if what == "postgres" else ("raw/", self.everything)
        )
        lake = self._ports.lake
        found = {lake_paths.partition_of(stored.path) for stored in lake.list(prefix)}
        kept = sorted(filter(None, found), key=lambda one: (one.service.name, one.month))
        chosen = _chosen(kept, service, months)
        sys.stdout.write(f"{len(chosen)} of {len(kept)} months in {lake.url}: {_spans(chosen)}\n")
        if chosen and not only_plan:
            run(chosen)

    def postgres(self, chosen: Sequence[Partition]) -> list[RunRow]:
        """Load published months into Postgres, and prove them."""
        return self.reconcile(
            self.run("restore", partial(restore, ports=self._ports), _rows(chosen))
        )

    def everything(self, chosen: Sequence[Partition]) -> list[RunRow]:
        """Conform landed months again, publish them to the lake, load them, and prove them."""
        step = partial(landed_before, lake=self._ports.lake)
        return self.load(self.run("land", step, _rows(chosen)))


def _rows(chosen: Sequence[Partition]) -> list[RunRow]:
    return start(chosen, force=False, now=datetime.now(UTC))


def _chosen(kept: Sequence[Partition], service: str, months: str) -> list[Partition]:
    today = Month.of(datetime.now(UTC).date())
    services = parse_services(service)
    if not months:
        return [partition for partition in kept if partition.service in services]
    wanted = set(partitions(services, parse_months(months, latest=today), current=today))
    return [partition for partition in kept if partition in wanted]


def _spans(chosen: Sequence[Partition]) -> str:
    by_service: dict[str, list[Month]] = {}
    for partition in chosen:
        by_service.setdefault(partition.service.name, []).append(partition.month)
    return ", ".join(f"{name} {min(m)} to {max(m)}" for name, m in by_service.items()) or "none"
