"""Memory does not grow with the month: measured in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.samples.months import write_month
from embedded.samples.polygons import write_zone_polygons
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import YELLOW
from nyc_tlc.core.month import Month
from tests.integration.conftest import ROOT

CONFORM = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.month import Month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.steps.conform import conform
from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.steps.land import land
from nyc_tlc.core.runs.run_table import start

folder, month = Path(sys.argv[1]), Month.parse(sys.argv[2])
lake, now = FolderLake(folder / "lake"), datetime(2026, 11, 22, tzinfo=UTC)
ports = Ports(FolderSource(folder), lake, None, None, folder / "work")
(row,) = start([Partition(YELLOW, month)], force=True, now=now)
row = land(row, ports, Publication(SourceFormat.PARQUET, 2, now.date()))
row = conform(row, ports)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
# Not ru_maxrss: that begins with what the parent had.
peak = int(status["VmHWM"].split()[0])
print(json.dumps({"rows": row.accepted + row.quarantined, "kilobytes": peak}))
"""


def peak(folder: Path, month: str, rows: int) -> int:
    folder.mkdir()
    write_zone_polygons(folder / "taxi_zones.zip")
    write_month(Partition(YELLOW, Month.parse(month)), rows, folder)
    done = subprocess.run(
        [sys.executable, "-c", CONFORM, folder, month],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["rows"] == rows
    return told["kilobytes"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read of /proc")
@pytest.mark.parametrize("month", ["2009-01", "2024-01"])
def test_a_month_three_times_as_long_needs_no_more_memory(month, tmp_path):
    # Nine batches: with four the allocator has not yet kept all that it will (0.36 of 0.42 GB).
    short = peak(tmp_path / "short", month, 600_000)
    long = peak(tmp_path / "long", month, 1_800_000)
    assert long < 1.15 * short
