"""`make audit-picture`: a real report on sample months, as a browser draws it.

The months have the real ones' shape, a thousandth of their rows. Two things are spoilt by hand, so
that the page has something to tell.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from playwright.sync_api import ViewportSize, sync_playwright

from embedded.samples.months import write_month
from embedded.stack import Stack
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.row_counts import expected_rows
from nyc_tlc.core.contract.service import FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.lake.paths import AUDIT_REPORT
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope, LakeAudit
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores

_MONTHS = Month(2019, 1).through(Month(2024, 5))
_SCALE = 1000
_WINDOW: ViewportSize = {"width": 1120, "height": 1500}
_SPOILT = (
    "DELETE FROM tlc.green_2021_04 WHERE source_row % 5 = 0",
    "CREATE TABLE tlc.yellow_2023_07_new_0 (LIKE tlc.yellow)",
)


def _sample_months(folder: Path) -> list[Partition]:
    chosen = [
        Partition(service, month)
        for service in (YELLOW, GREEN, FHVHV)
        for month in _MONTHS
        if month >= service.first_month
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for partition in chosen:
        write_month(partition, (expected_rows(partition) or 0) // _SCALE, folder)
    return chosen


@contextmanager
def _stack() -> Iterator[Stack]:
    # Not below a private folder: as root the database server has an account of its own.
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-audit-") as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder))
        try:
            # Without BigQuery: its emulator takes seconds for a month.
            os.environ.update({**stack.start(), "TLC_LOG_LEVEL": "ERROR", "BIGQUERY_DATASET": ""})
            yield stack
        finally:
            stack.stop()


def _spoil(stack: Stack) -> None:
    with (
        closing(
            psycopg2.connect(
                host=os.environ["POSTGRES_HOST"],
                port=stack.postgres.port,
                dbname=stack.postgres.database,
                user=os.environ["POSTGRES_USER"],
                password=os.environ["POSTGRES_PASSWORD"],
            )
        ) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for statement in _SPOILT:
            cursor.execute(statement)


def _report() -> bytes:
    """Load, spoil and audit on servers of their own."""
    with _stack() as stack:
        chosen = _sample_months(stack.cdn_root / "trip-data")
        trips = Trips.open()
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda partition: trips.load_again(partition, fetch=True), chosen):
                pass
        _spoil(stack)
        every = [
            Partition(service, month)
            for service in SERVICES.values()
            for month in _MONTHS
            if month >= service.first_month
        ]
        LakeAudit.open().audit(AuditScope(tuple(every)))
        found = connect_stores(Settings.load()).lake.read(AUDIT_REPORT)
        assert found is not None  # noqa: S101 - the audit has just written it
        return found[0]


def _draw(page: Path, picture: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport=_WINDOW, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=picture)
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("--page", type=Path, help="keep the page here, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        page = options.page or Path(folder) / "lake_audit.html"
        page.write_bytes(_report())
        _draw(page, options.picture)
    print(options.picture)


if __name__ == "__main__":
    main()
