"""A store refuses a month that another has committed: all say so, and the next run heals it."""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
from google.cloud.bigquery import SchemaField, Table

from embedded.samples.months import write_month
from nyc_tlc.core.audit.verdicts import require_sound
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope, LakeAudit
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.steps.reconcile import tell_where_failed_months_stand
from nyc_tlc.wiring import connect_inspector, connect_stores

PARTITION = Partition(GREEN, Month(2024, 1))
ROWS = {0: 500, 1: 400}
"""Of the first version, and of its revision."""
ELSEWHERE = Path("/dev/shm")


def run(trips: Trips) -> list[str]:
    return [row.status for row in trips.load(trips.land([PARTITION]))]


@contextmanager
def on_another_file_system(prefix: str, lake: Path, _query: object) -> Iterator[None]:
    """Readable, but nothing can be renamed into it."""
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == lake.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    with tempfile.TemporaryDirectory(dir=ELSEWHERE) as folder:
        moved = shutil.copytree(lake / prefix, Path(folder) / prefix)
        (lake / prefix).rename(lake / ".before")
        (lake / prefix).symlink_to(moved)
        try:
            yield
        finally:
            (lake / prefix).unlink()
            (lake / ".before").rename(lake / prefix)


@contextmanager
def view_on_the_month(_lake: Path, query: Callable[[str], object]) -> Iterator[None]:
    query("CREATE VIEW mine AS SELECT count(*) FROM green_2024_01")
    yield
    query("DROP VIEW mine")


Refusal = Callable[[Path, Callable[[str], object]], AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("refusal", "versions", "held", "found"),
    [
        (partial(on_another_file_system, "trips"),
         "Postgres: the new version, the lake: an earlier version", 1, "ledger_differs"),
        (partial(on_another_file_system, "quarantine"),
         "Postgres: the new version, the lake: files that its manifest does not name", 1,
         "lake_tampered"),
        (partial(on_another_file_system, "manifests"),
         "Postgres: the new version, the lake: files that its manifest does not name", 1,
         "lake_tampered"),
        (view_on_the_month, "Postgres: an earlier version, the lake: the new version", 0,
         "ledger_differs"),
    ],
    ids=["lake", "lake between its files", "lake at its manifest", "Postgres"],
)  # fmt: skip
def test_a_refusal_after_another_store_has_committed(
    settings, query, tmp_path, refusal, versions, held, found
):
    published, ports = tmp_path / "published", connect_stores(settings)
    trips = Trips(settings, ports)
    audit = partial(LakeAudit(settings, ports, connect_inspector(settings)).audit,
                    AuditScope((PARTITION,), deep=True))  # fmt: skip
    write_month(PARTITION, ROWS[0], published)
    run(trips)
    write_month(PARTITION, ROWS[1], published, seed=1)
    with refusal(tmp_path / "lake", query):
        with pytest.raises(PartitionsFailedError) as caught:
            run(trips)
        assert f"The stores stand apart ({versions})" in str(caught.value)
        assert query("SELECT state, note LIKE %s FROM publication", f"%{versions}%") == [
            ("failed", True)
        ]
        said = query("SELECT rows_published, reconciled_at IS NULL FROM ledger")
        assert said == [(ROWS[held], held == 1)]
        assert found in audit().findings.str.cat()
    assert run(trips) == ["reconciled"]
    assert query("SELECT rows_published FROM ledger") == [(ROWS[1],)]
    require_sound(audit())
    assert list(ports.lake.list("staging/")) == []


def test_bigquery_refuses_after_the_others_have_committed(settings, gcs, bigquery, tmp_path):
    name = f"apart_{uuid.uuid4().hex[:12]}"
    stores = {
        "lake_url": f"gs://{gcs.bucket}/{name}", "storage_emulator_host": gcs.url,
        "bigquery_project": bigquery.project, "bigquery_dataset": name,
        "bigquery_location": bigquery.location, "bigquery_emulator_host": bigquery.url,
    }  # fmt: skip
    settings = settings.model_copy(update=stores)
    ports = connect_stores(settings)
    trips, dataset = Trips(settings, ports), ports.bigquery._dataset
    write_month(PARTITION, ROWS[0], tmp_path / "published")
    with dataset.explained():
        of_others = Table(dataset.reference.table("green"), [SchemaField("source_row", "STRING")])
        dataset.client.create_table(of_others)
    with pytest.raises(PartitionsFailedError, match=r"stand apart \(Postgres: the new version, the "
                       r"lake: the new version, BigQuery: none on record\)"):  # fmt: skip
        run(trips)
    dataset.client.delete_table(of_others)
    assert run(trips) == ["reconciled"]


def test_a_store_that_is_gone_says_nothing(settings, tmp_path):
    ports = connect_stores(settings)
    trips = Trips(settings, ports)
    write_month(PARTITION, ROWS[0], tmp_path / "published")
    (done,) = trips.load(trips.land([PARTITION]))
    gone = connect_stores(settings.model_copy(update={"postgres_port": 1}))
    failed = done.failed("Refused.", "RetryableError")
    told = tell_where_failed_months_stand([failed, replace(failed, sha256="0" * 64), done], gone)
    apart = "The stores stand apart (Postgres: it does not say, the lake: the new version)"
    assert [row.error for row in told] == [
        f"Refused. {apart} until the next run of the month.", "Refused.", "",
    ]  # fmt: skip


def test_the_ledger_is_told_when_nothing_is_left_to_do(settings, tmp_path):
    write_month(PARTITION, 500, tmp_path / "published")
    ports = connect_stores(settings)
    trips = Trips(settings, ports)
    dying = mock.patch.object(ports.ledger, "mark_reconciled", side_effect=SystemExit)
    with dying, pytest.raises(SystemExit):
        run(trips)
    assert list(ports.lake.list("staging/")) == []
    assert ports.ledger.entry(PARTITION).reconciled_at is None
    assert run(trips) == ["reconciled"]
    assert run(trips) == ["unchanged"]


def test_a_month_that_postgres_holds_in_another_version_is_not_proved(settings, query, tmp_path):
    """Equal counts are no proof of equal content; nothing that is staged is cleared."""
    write_month(PARTITION, 500, tmp_path / "published")
    ports = connect_stores(settings)
    trips = Trips(settings, ports)
    conformed = trips.conform(trips.land([PARTITION]))
    loaded, published = trips.load_to_postgres(conformed), trips.publish_to_lake(conformed)
    earlier = "staging/service=green/year=2024/month=01/0_20240101T000000000000-00000000/x"
    ports.lake.write(earlier, b"", if_generation=None)
    query("UPDATE ledger SET sha256 = repeat('0', 64)")
    with pytest.raises(PartitionsFailedError, match="Postgres is not recorded to hold this ver"):
        trips.reconcile(loaded, published)
    assert [stored.path for stored in ports.lake.list("staging/")] == [earlier]
    assert query("SELECT reconciled_at FROM ledger") == [(None,)]
