"""Every month of every service, in the exact physical types of its vintage, through the steps."""

from datetime import UTC, datetime
from functools import partial

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from embedded.sample_months import write_month
from nyc_tlc.adapters.local_folder import FolderLake, FolderSource
from nyc_tlc.core.contract.vintages import LAST_KNOWN_MONTH
from nyc_tlc.core.manifest_table import Status
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.render import arrow_schema
from nyc_tlc.core.service import FHV, SERVICES
from nyc_tlc.ports import Ports
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import land
from nyc_tlc.steps.load import load
from nyc_tlc.steps.publish import publish
from nyc_tlc.steps.reconcile import reconcile
from nyc_tlc.steps.run import Effort, run_each, start

ROWS = 120
EFFORT = Effort(workers=2, attempts=1)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def every_month(service):
    # fhv 2026-08 was not there yet on 2026-10-02.
    last = LAST_KNOWN_MONTH - 1 if service is FHV else LAST_KNOWN_MONTH
    return [Partition(service, month) for month in service.first_month.through(last)]


@pytest.fixture
def ports(tmp_path, warehouse):
    (tmp_path / "published").mkdir()
    return Ports(
        source=FolderSource(tmp_path / "published"),
        lake=FolderLake(tmp_path / "lake"),
        warehouse=warehouse,
        ledger=warehouse,
        work_dir=tmp_path / "work",
    )


def land_now(row, ports):
    return land(row, ports, publication_lag=2, today=NOW.date())


def run(step, rows, ports):
    done = run_each(step.__name__, partial(step, ports=ports), rows, EFFORT)
    assert [row.error for row in done if row.error] == []
    return done


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_month_is_published_as_one_table_and_every_vintage_reconciles(
    service, ports, tmp_path
):
    chosen = every_month(service)
    for partition in chosen:
        write_month(partition, ROWS, tmp_path / "published")
    rows = start(chosen, force=False, now=NOW)
    landed = run(land_now, rows, ports)
    conformed = run(conform, landed, ports)
    assert {(row.published, row.accepted + row.quarantined) for row in conformed} == {(ROWS, ROWS)}
    published = run(publish, conformed, ports)
    firsts = {vintage.first for vintage in service.contract.vintages}
    of_vintages = [row for row in published if row.partition.month in firsts]
    assert len(of_vintages) == len(firsts)
    reconciled = run(reconcile, run(load, of_vintages, ports), ports)
    assert {row.status for row in reconciled} == {Status.RECONCILED}

    folder = tmp_path / "lake" / "trips" / f"service={service}"
    accepted = sum(row.accepted for row in conformed)
    types = {pq.read_schema(file).remove_metadata() for file in folder.rglob("*.parquet")}
    assert types == {arrow_schema(service.contract)}
    assert ds.dataset(folder, partitioning="hive").count_rows() == accepted
    glob = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=true)"
    counted = duckdb.sql(f"SELECT count(*), count(DISTINCT source_month) FROM {glob}").fetchall()
    assert counted == [(accepted, len(chosen))]


def test_a_file_of_other_length_than_when_it_was_counted_is_noted_not_refused(ports, tmp_path):
    known = Partition(SERVICES["green"], LAST_KNOWN_MONTH)
    uncounted = Partition(SERVICES["green"], LAST_KNOWN_MONTH - 12)
    for partition in (known, uncounted):
        write_month(partition, ROWS, tmp_path / "published")
    landed = run(land_now, start([known, uncounted], force=False, now=NOW), ports)
    assert [row.warning for row in landed] == [
        "120 rows published, 40,687 when TLC's files were counted",
        "",
    ]
    run(publish, run(conform, landed, ports), ports)
    manifest = (tmp_path / "lake/manifests/service=green/year=2026/month=08.json").read_text()
    assert landed[0].warning in manifest
