"""Rebuild stores from the lake: `make rebuild-postgres`, `make rebuild`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow, start
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.steps.land import landed_before
from nyc_tlc.steps.load_from_lake import restore

_EPILOG = """
Nothing but the lake is read. Months that Postgres already holds as the lake has them are left
alone. --plan says what would be done, and does nothing.
"""


class Rebuild(Trips):
    """Trips on their way from the lake to every other store."""

    @property
    def lake_url(self) -> str:
        return self._ports.lake.url

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
        return self.reconcile(
            self.run("restore", partial(restore, ports=self._ports), _rows(chosen))
        )

    def everything(self, chosen: Sequence[Partition]) -> list[RunRow]:
        """Conform landed months again, publish them to the lake, load them, and prove them.

        Raises:
            PipelineError: names every month that failed, and why; the others are done.
        """
        step = partial(landed_before, lake=self._ports.lake)
        return self.load(self.run("land", step, _rows(chosen)))

    def _partitions(self, prefix: str) -> list[Partition]:
        found = {lake_paths.partition_of(stored.path) for stored in self._ports.lake.list(prefix)}
        return sorted(
            (partition for partition in found if partition),
            key=lambda partition: (partition.service.name, partition.month),
        )


def _rows(chosen: Sequence[Partition]) -> list[RunRow]:
    return start(chosen, force=False, now=datetime.now(UTC))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        rebuild = Rebuild.open()
        kept = rebuild.published() if options.what == "postgres" else rebuild.landed()
        chosen = _chosen(kept, options)
        sys.stdout.write(
            f"{len(chosen)} of {len(kept)} months in {rebuild.lake_url}: {_spans(chosen)}\n"
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
