"""Whatever is published in place of a month: a clear error, and nothing changed."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores

pytestmark = pytest.mark.integration

ROWS = 500
DAMAGED = [
    ("yellow_tripdata_2024-01.AccessDenied-xml.parquet", "XML or HTML"),
    ("fhv_tripdata_2021-01.lfs-pointer.parquet", "Git-LFS pointer"),
    ("fhvhv_tripdata_2021-01.truncated-25616.parquet", "not a whole Parquet file"),
    ("yellow_tripdata_2009-01.socrata-error-json.csv", "JSON"),
    ("green_tripdata_2021-01.filtered.pandas.parquet", "__index_level_0__"),
    ("yellow_2009-2020_stacked_under_2009_header.parquet", "vendor_name"),
    ("green_tripdata_2023-02.pandas.parquet", "holds another month"),
    ("green_tripdata_2019-09.lfs-pointer.csv.gz", "Git-LFS pointer"),
]
"""Real files, and what is said of them."""
MADE = [
    (lambda t: t.append_column("surprise", t["extra"]), "surprise"),
    (lambda t: t.drop_columns(["tip_amount"]), "tip_amount"),
    (lambda t: t.slice(0, 0), "no rows"),
    (lambda t: t.set_column(t.column_names.index("extra"), "extra", pa.array([[1.0]] * ROWS)),
     "column extra is list<"),
]  # fmt: skip
BAD = [f"2022-{month:02}" for month in range(1, len(DAMAGED) + len(MADE) + 1)]
GOOD = "2023-09"


def green(month):
    return Partition(GREEN, Month.parse(month))


def write_own(month, rows, folder):
    """A month that is no sample: the damaged files are TLC's own, too."""
    file = write_month(green(month), rows, folder)
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "trip-data"
    folder.mkdir()
    for month in (*BAD, GOOD):
        write_own(month, ROWS, folder)
    return folder.parent


@pytest.fixture(scope="module")
def damaged_run(mage, source, shared, tmp_path_factory):
    """Every month loaded; then all but one damaged, the good one revised, and all run again."""
    here = mage.on("damaged", tmp_path_factory.mktemp("run"), source.as_uri())
    variables = json.dumps({"service": "green", "months": [*BAD, GOOD]})
    first = here.run("tlc_trips", variables)
    assert first.returncode == 0, first.stdout
    before = state(here)
    for month, (damage, _) in zip(BAD, DAMAGED + MADE, strict=True):
        path = source / "trip-data" / green(month).file_name
        if callable(damage):
            pq.write_table(damage(pq.read_table(path)), path)
        else:
            shutil.copyfile(shared / "damaged" / damage, path)
    write_own(GOOD, ROWS + 1, source / "trip-data")
    return here, before, here.run("tlc_trips", variables)


def state(here):
    """What every reader sees of the bad months, in Postgres and in the lake; and of the good."""
    lake = connect_stores(Settings.load(here.environment)).lake
    good = f"service=green/year={GOOD[:4]}/month={GOOD[5:]}"
    objects = [
        (stored.path, stored.generation)
        for zone in ("trips/", "quarantine/", "manifests/")
        for stored in lake.list(zone)
        if good not in stored.path
    ]
    month = f"{GOOD}-01"
    return (
        here.sql("SELECT source_month, sha256, rows_accepted FROM ledger "
                 "WHERE source_month <> %s ORDER BY 1", month),
        here.sql("SELECT source_month, count(*) FROM green "
                 "WHERE source_month <> %s GROUP BY 1 ORDER BY 1", month),
        objects,
    )  # fmt: skip


def test_the_run_fails_and_names_every_partition_with_what_was_found(damaged_run):
    _, _, run = damaged_run
    assert run.returncode == 1
    assert f"{len(BAD)} of {len(BAD) + 1} partitions failed" in " ".join(run.stdout.split())
    lines = dict(
        line.split(" failed: ", 1) for line in run.stdout.splitlines() if " failed: " in line
    )
    for month, (_, text) in zip(BAD, DAMAGED + MADE, strict=True):
        assert text in lines[f"green {month}"]
        assert "as it was" in lines[f"green {month}"]


def test_the_months_before_stay_in_every_store_and_the_good_one_is_loaded(damaged_run):
    here, before, _ = damaged_run
    assert state(here) == before
    assert here.sql(
        "SELECT rows_published FROM ledger WHERE source_month = %s AND reconciled_at IS NOT NULL",
        f"{GOOD}-01",
    ) == [(ROWS + 1,)]


def test_nothing_half_written_is_left(damaged_run):
    here, _, _ = damaged_run
    settings = Settings.load(here.environment)
    assert list(connect_stores(settings).lake.list("staging/")) == []
    assert here.sql("SELECT relname FROM pg_class WHERE relname LIKE %s", "%\\_new%") == []
    left = [
        p
        for p in settings.tlc_work_dir.rglob("*")
        if p.is_file() and p.suffix not in {".lock", ".log"}
    ]
    assert left == []
