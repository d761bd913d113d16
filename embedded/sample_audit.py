"""`make audit-picture`: a real report on sample months, as a browser draws it.

The months have the real ones' shape, a thousandth of their rows. Two things are damaged on
purpose, so that the page has something to report.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from embedded.samples.months import write_month
from embedded.stack import Stack
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.row_counts import expected_rows
from nyc_tlc.core.contract.service import FHV, SERVICES
from nyc_tlc.core.lake.paths import AUDIT_REPORT
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope, LakeAudit
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores

_SCALE = 1000
_DAMAGE = """
    SET ROLE tlc_loader;
    DELETE FROM tlc.green_2021_04 WHERE source_row % 5 = 0;
    CREATE TABLE tlc.yellow_2023_07_new_0 (LIKE tlc.yellow)"""


def _report(stack: Stack) -> bytes:
    """Load, damage and audit; BigQuery is left out, whose emulator takes seconds for a month."""
    os.environ.update({**stack.start(), "TLC_LOG_LEVEL": "ERROR", "BIGQUERY_DATASET": ""})
    every = [
        Partition(service, month)
        for service in SERVICES.values()
        for month in Month(2019, 1).through(Month(2024, 5))
        if month >= service.first_month
    ]
    loaded = [partition for partition in every if partition.service is not FHV]
    for partition in loaded:
        rows = (expected_rows(partition) or 0) // _SCALE
        write_month(partition, rows, stack.cdn_root / "trip-data")
    trips = Trips.open()
    trips.load(trips.land(loaded, force=False))
    stack.postgres.psql(_DAMAGE)
    LakeAudit.open().audit(AuditScope(tuple(every)))
    found = connect_stores(Settings.load()).lake.read(AUDIT_REPORT)
    assert found is not None  # noqa: S101 - the audit has just written it
    return found[0]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="PNG to write")
    picture = parser.parse_args(arguments).picture.absolute()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-audit-") as folder:
        Path(folder).chmod(0o755)  # as root the database server has its own account
        stack = Stack(Path(folder))
        page = Path(folder) / "lake_audit.html"
        try:
            page.write_bytes(_report(stack))
        finally:
            stack.stop()
        window = ("--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1120,1500")
        # What it reports are the desktop's services that it misses.
        subprocess.run(
            [chromium, *window, f"--screenshot={picture}", page.as_uri()],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(picture)


if __name__ == "__main__":
    main()
