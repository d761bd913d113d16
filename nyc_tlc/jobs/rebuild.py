"""Rebuild stores from the lake: `make rebuild-postgres`, `make rebuild`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow, summary
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.settings import Settings
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import landed_before
from nyc_tlc.steps.load import load
from nyc_tlc.steps.load_from_lake import load_from_lake
from nyc_tlc.steps.publish import publish
from nyc_tlc.steps.reconcile import clear_failed, reconcile
from nyc_tlc.steps.restore import restore
from nyc_tlc.steps.run_each import Effort, Step, require_all, run_each, start
from nyc_tlc.wiring import connect_stores

_EPILOG = """
Nothing but the lake is read. Months that Postgres already holds as the lake has them are left
alone. --plan says what would be done, and does nothing.
"""


class Rebuild:
    """Stores made anew from what the lake keeps."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._ports = ports
        self._effort = Effort(settings.tlc_workers, settings.tlc_attempts)
        self._keep_unknown = settings.tlc_unknown_columns == "keep"

    def published(self) -> list[Partition]:
        """The months that have a manifest, ascending."""
        return self._partitions("manifests/")

    def landed(self) -> list[Partition]:
        """The months of which published bytes are kept, ascending."""
        return self._partitions("raw/")

    def postgres(self, chosen: Sequence[Partition]) -> list[RunRow]:
        """Load published months into Postgres, and prove them.

        Raises:
            PipelineError: names every month that failed, and why; the others are done.
        """
        steps: dict[str, Step[RunRow]] = {
            "restore": partial(restore, ports=self._ports),
            "reconcile": partial(reconcile, ports=self._ports),
        }
        return self._run(chosen, steps)

    def everything(self, chosen: Sequence[Partition]) -> list[RunRow]:
        """Conform landed months anew, publish them to the lake, load them, and prove them.

        Raises:
            PipelineError: names every month that failed, and why; the others are done.
        """
        ports = self._ports
        steps: dict[str, Step[RunRow]] = {
            "land": partial(landed_before, lake=ports.lake),
            "conform": partial(conform, ports=ports, keep_unknown=self._keep_unknown),
            "publish": partial(publish, ports=ports),
            "load": partial(load, ports=ports),
        }
        if ports.bigquery is not None:
            steps["load_from_lake"] = partial(
                load_from_lake, lake=ports.lake, warehouse=ports.bigquery
            )
        steps["reconcile"] = partial(reconcile, ports=ports)
        return self._run(chosen, steps)

    def _run(self, chosen: Sequence[Partition], steps: dict[str, Step[RunRow]]) -> list[RunRow]:
        rows = start(chosen, force=False, now=datetime.now(UTC))
        for name, step in steps.items():
            rows = run_each(name, step, rows, self._effort)
        clear_failed(rows, self._ports.lake)
        logging.getLogger(__name__).info("\n%s", summary(rows))
        require_all(rows)
        return rows

    def _partitions(self, prefix: str) -> list[Partition]:
        found = {lake_paths.partition_of(stored.path) for stored in self._ports.lake.list(prefix)}
        return sorted(
            (partition for partition in found if partition),
            key=lambda partition: (partition.service.name, partition.month),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings, ports = open_job(connect_stores)
        rebuild = Rebuild(settings, ports)
        kept = rebuild.published() if options.what == "postgres" else rebuild.landed()
        chosen = _chosen(kept, options)
        sys.stdout.write(
            f"{len(chosen)} of {len(kept)} months in {settings.lake_url}: {_spans(chosen)}\n"
        )
        if chosen and not options.plan:
            run = rebuild.postgres if options.what == "postgres" else rebuild.everything
            run(chosen)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _chosen(kept: Sequence[Partition], options: argparse.Namespace) -> list[Partition]:
    today = Month.of(datetime.now(UTC).date())
    services = parse_services(options.service)
    if not options.months:
        return [partition for partition in kept if partition.service in services]
    months = parse_months(options.months, latest=today)
    wanted = set(partitions(services, months, current=today))
    return [partition for partition in kept if partition in wanted]


def _spans(chosen: Sequence[Partition]) -> str:
    by_service: dict[str, list[Month]] = {}
    for partition in chosen:
        by_service.setdefault(partition.service.name, []).append(partition.month)
    return ", ".join(f"{name} {min(m)} to {max(m)}" for name, m in by_service.items()) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nyc_tlc.jobs.rebuild", description=__doc__, epilog=_EPILOG
    )
    parser.add_argument(
        "what",
        choices=["postgres", "everything"],
        help="postgres: from trips/ and quarantine/; everything: from raw/, the lake's too",
    )
    parser.add_argument("--service", default="all", help="one, a list, or all (default)")
    parser.add_argument("--months", default="", help="2024-01, 2024-01:2024-06, … (default: all)")
    parser.add_argument("--plan", action="store_true", help="only say what would be done")
    return parser


if __name__ == "__main__":
    sys.exit(main())
