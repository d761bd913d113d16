"""`nyc-tlc`: what the pipelines do, on the stores of the environment and without Mage."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

from nyc_tlc import __version__
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.month import Month

# Late imports: a command needs its own job, and --help none.


def _load(options: argparse.Namespace) -> None:
    """Load months into every store, and prove them."""
    from nyc_tlc.jobs.trips import Trips

    trips = Trips.open()
    months = trips.choose(options.service, options.months)
    trips.load(trips.land(months, force=options.force, only_plan=options.plan))


def _sync(options: argparse.Namespace) -> None:
    """Load what TLC has published or revised since."""
    from nyc_tlc.core.catalog.selection import parse_services
    from nyc_tlc.jobs.sync import Sync
    from nyc_tlc.jobs.trips import Trips

    sync = Sync.open()
    found = sync.find(
        parse_services(options.service),
        first=options.first_month,
        scope=options.scope,
        only_plan=options.plan,
    )
    Trips.open().load(sync.land(found, only_plan=options.plan))


def _overdue(options: argparse.Namespace) -> None:
    """Alert and fail if a month is not proved though it should be; for cron."""
    from nyc_tlc.core.catalog.selection import parse_services
    from nyc_tlc.jobs.sync import Sync

    services = parse_services(options.service)
    found = Sync.open().require_none_overdue(services, first=options.first_month)
    sys.stdout.write(f"{found}\n")


def _zones(_: argparse.Namespace) -> None:
    """Load taxi zones, code lists and the views that name both."""
    from nyc_tlc.jobs.zones import CodeLists, Views, Zones

    zones, lists, views = Zones.open(), CodeLists.open(), Views.open()
    landed = zones.land()
    for load in (zones.load_to_postgres, zones.load_to_bigquery, zones.publish_to_lake):
        load(landed)
    for fill in (
        lists.load_to_postgres, lists.load_to_bigquery, lists.publish_to_lake,
        views.load_to_postgres, views.load_to_bigquery,
    ):  # fmt: skip
        fill()


def _marts(options: argparse.Namespace) -> None:
    """Build the marts from the months that are loaded."""
    from nyc_tlc.jobs.marts import Marts

    marts = Marts.open()
    marts.reconcile(
        marts.build_in_postgres(force=options.force), marts.build_in_bigquery(force=options.force)
    )


def _audit(options: argparse.Namespace) -> None:
    """Compare every store with the others."""
    from nyc_tlc.core.audit.verdicts import require_sound
    from nyc_tlc.core.catalog.selection import parse_services
    from nyc_tlc.jobs.audit import AuditScope, LakeAudit
    from nyc_tlc.jobs.trips import Trips

    services = parse_services(options.service)
    months = Trips.open().months(options.months) if options.months else ()
    scope = AuditScope(
        AuditScope.months_of(services, months),
        deep=options.deep,
        ask_source=options.source,
        repair=options.repair,
    )
    require_sound(LakeAudit.open().audit(scope))


def _report(_: argparse.Namespace) -> None:
    """Download and open the report of the last audit."""
    from nyc_tlc.jobs.audit import show_report

    show_report()


def _rebuild(options: argparse.Namespace) -> None:
    """Make stores again from the lake alone; what already is as the lake has it is left alone."""
    from nyc_tlc.jobs.rebuild import Rebuild

    job = Rebuild.open()
    job.rebuild(options.what, options.service, options.months, only_plan=options.plan)


def _bucket(options: argparse.Namespace) -> None:
    """Show the lifecycle rules that the lake's bucket needs."""
    from nyc_tlc.jobs.bucket import set_up_bucket
    from nyc_tlc.jobs.open import open_job

    _, said = open_job(partial(set_up_bucket, apply=options.apply))
    sys.stdout.write(f"{said}\n")


def _check(_: argparse.Namespace) -> None:
    """Prove the connections to Postgres, to the lake and to BigQuery."""
    from nyc_tlc.jobs.connections import check_bigquery, check_lake, check_postgres

    for check in (check_postgres, check_lake, check_bigquery):
        sys.stdout.write(f"{check()}\n")


_SERVICE = "yellow, green, fhv, fhvhv, a list, or all (%(default)s)"
_MONTHS = "2024-01, 2024-01:2024-06, 2024, latest, or a list"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nyc-tlc", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        run: Callable[[argparse.Namespace], None], *switches: str
    ) -> argparse.ArgumentParser:
        text = run.__doc__
        name = run.__name__.removeprefix("_")
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(run=run)
        for switch in switches:
            added.add_argument(f"--{switch}", action="store_true", help=_SWITCHES[switch])
        return added

    load = command(_load, "force", "plan")
    load.add_argument("--service", default="green", help=_SERVICE)
    load.add_argument("--months", required=True, help=_MONTHS)
    sync = command(_sync, "plan")
    sync.add_argument("--scope", choices=["changed", "all"], default="changed")
    for some in (sync, command(_overdue)):
        some.add_argument("--service", default="all", help=_SERVICE)
        some.add_argument(
            "--first-month", type=Month.parse, help="2025-01 (default: TLC_FIRST_MONTH)"
        )
    command(_zones)
    command(_marts, "force")
    audit = command(_audit, "deep", "source", "repair")
    rebuild = command(_rebuild, "plan")
    rebuild.add_argument(
        "what",
        choices=["postgres", "everything"],
        help="postgres: from trips/ and quarantine/; everything: from raw/, the lake's too",
    )
    for some in (audit, rebuild):
        some.add_argument("--service", default="all", help=_SERVICE)
        some.add_argument("--months", default="", help=f"{_MONTHS} (default: every one)")
    command(_report)
    command(_bucket, "apply")
    command(_check)
    return parser


_SWITCHES = {
    "force": "do it again where nothing has changed",
    "plan": "only say what would be done",
    "deep": "read every byte of the lake, and compare every value in the warehouses",
    "source": "ask the source whether it still has what was landed",
    "repair": "load what is wrong again, and remove what nothing refers to",
    "apply": "change what differs",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    options = _parser().parse_args(words)
    from nyc_tlc.jobs.log import fail_on_one_screen, on_one_screen

    fail_on_one_screen()
    try:
        options.run(options)
    except PipelineError as error:
        sys.stderr.write(f"{on_one_screen(error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
