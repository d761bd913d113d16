"""Whatever is published in place of a month: a clear error, and nothing changed."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores

pytestmark = pytest.mark.integration

ROWS = 500
DAMAGED = {
    "2023-01": ("yellow_tripdata_2024-01.AccessDenied-xml.parquet", "XML or HTML"),
    "2023-02": ("fhv_tripdata_2021-01.lfs-pointer.parquet", "Git-LFS pointer"),
    "2023-03": ("fhvhv_tripdata_2021-01.truncated-25616.parquet", "not a whole Parquet file"),
    "2023-04": ("yellow_tripdata_2009-01.socrata-error-json.csv", "JSON"),
    "2023-05": ("green_tripdata_2021-01.filtered.pandas.parquet", "__index_level_0__"),
    "2023-06": ("yellow_2009-2020_stacked_under_2009_header.parquet", "vendor_name"),
    "2023-07": ("green_tripdata_2023-02.pandas.parquet", "holds another month"),
    "2023-08": ("green_tripdata_2019-09.lfs-pointer.csv.gz", "Git-LFS pointer"),
}
GOOD = "2023-09"
MADE = {
    "2023-10": ("unknown column", lambda t: t.append_column("surprise", t["extra"]), "surprise"),
    "2023-11": ("missing column", lambda t: t.drop_columns(["tip_amount"]), "tip_amount"),
    "2023-12": ("no rows", lambda t: t.slice(0, 0), "no rows"),
}


def green(month):
    return Partition(GREEN, Month.parse(month))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "trip-data"
    folder.mkdir()
    for month in (*DAMAGED, GOOD, *MADE):
        write_month(green(month), ROWS, folder)
    return folder.parent


@pytest.fixture(scope="module")
def damaged_run(mage, source, shared, tmp_path_factory):
    """Every month loaded; then all but one damaged, the good one revised, and all run again."""
    here = mage.on("damaged", tmp_path_factory.mktemp("run"), source.as_uri())
    months = [*DAMAGED, GOOD, *MADE]
    variables = json.dumps({"service": "green", "months": months})
    first = here.run("tlc_trips", variables)
    assert first.returncode == 0, first.stdout
    before = state(here)
    for month, (name, _) in DAMAGED.items():
        shutil.copyfile(shared / "damaged" / name, source / "trip-data" / green(month).file_name)
    for month, (_, change, _) in MADE.items():
        path = source / "trip-data" / green(month).file_name
        pq.write_table(change(pq.read_table(path)), path)
    write_month(green(GOOD), ROWS + 1, source / "trip-data")
    return here, before, here.run("tlc_trips", variables)


def state(here):
    """What every reader sees, by month: rows in Postgres, objects and generations in the lake."""
    lake = connect_stores(Settings.load(here.environment)).lake
    objects = [
        (stored.path, stored.generation)
        for zone in ("trips/", "quarantine/", "manifests/")
        for stored in lake.list(zone)
    ]
    return (
        here.sql("SELECT source_month::text, sha256, rows_accepted FROM ledger ORDER BY 1"),
        here.sql("SELECT source_month::text, count(*) FROM green GROUP BY 1 ORDER BY 1"),
        objects,
    )


def test_the_run_fails_and_names_every_partition_with_what_was_found(damaged_run):
    _, _, run = damaged_run
    assert run.returncode == 1
    assert f"{len(DAMAGED) + len(MADE)} of {len(DAMAGED) + len(MADE) + 1} partitions failed" in (
        " ".join(run.stdout.split())
    )
    expected = {m: text for m, (_, text) in DAMAGED.items()} | {m: x[2] for m, x in MADE.items()}
    lines = dict(
        line.split(" failed: ", 1) for line in run.stdout.splitlines() if " failed: " in line
    )
    for month, text in expected.items():
        assert text in lines[f"green {month}"]
        assert "as it was" in lines[f"green {month}"]


def test_the_months_before_stay_in_every_store_and_the_good_one_is_loaded(damaged_run):
    here, before, _ = damaged_run

    def others(found):
        return [entry for entry in found if GOOD not in entry[0]]

    ledger, rows, objects = state(here)
    good = f"service=green/year={GOOD[:4]}/month={GOOD[5:]}"
    assert others(ledger) == others(before[0])
    assert others(rows) == others(before[1])
    assert [o for o in objects if good not in o[0]] == [o for o in before[2] if good not in o[0]]
    ((published,),) = here.sql(
        "SELECT rows_published FROM ledger WHERE source_month = %s AND reconciled_at IS NOT NULL",
        f"{GOOD}-01",
    )
    assert published == ROWS + 1


def test_nothing_half_written_is_left(damaged_run):
    here, _, _ = damaged_run
    lake = connect_stores(Settings.load(here.environment)).lake
    assert list(lake.list("staging/")) == []
    assert here.sql("SELECT relname FROM pg_class WHERE relname LIKE %s", "%\\_new%") == []
    work = Settings.load(here.environment).tlc_work_dir
    assert [p for p in work.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


@pytest.mark.parametrize(
    ("variables", "settings", "said"),
    [
        ('{"service": "purple", "months": "2024-01"}', {}, "service purple is unknown"),
        (
            '{"service": "green", "months": "2024-01"}',
            {"POSTGRES_PASSWORD": "", "LAKE_URL": "", "TLC_WORKERS": "many"},
            "POSTGRES_PASSWORD: not set",
        ),
    ],
)
def test_bad_parameters_and_settings_end_the_run_at_its_start(mage, variables, settings, said):
    run = mage.run("tlc_trips", variables, **settings)
    assert run.returncode == 1
    assert said in run.stdout
    assert "Nothing was started" in run.stdout
    assert mage.environment["POSTGRES_PASSWORD"] not in run.stdout


def test_every_missing_setting_is_listed_at_once(mage):
    run = mage.run("check_connections", POSTGRES_PASSWORD="", LAKE_URL="", TLC_WORKERS="many")
    assert run.returncode == 1
    for name in ("POSTGRES_PASSWORD", "LAKE_URL", "TLC_WORKERS"):
        assert f"  {name}: " in run.stdout


def test_stores_that_do_not_answer_are_named_and_fail_the_run(mage, source, tmp_path):
    here = mage.on("unreachable", tmp_path, source.as_uri())
    variables = f'{{"service": "green", "months": "{GOOD}"}}'
    run = here.run("tlc_trips", variables, POSTGRES_PORT="1", TLC_ATTEMPTS="1")
    assert run.returncode == 1
    assert "127.0.0.1:1/" in run.stdout
    assert "does not answer" in run.stdout
    assert here.environment["POSTGRES_PASSWORD"] not in run.stdout


def test_a_nested_column_is_refused_as_a_contract_matter(mage, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    partition = Partition(YELLOW, Month(2024, 3))
    table = pq.read_table(write_month(partition, 10, folder))
    nested = pa.array([[1.0]] * 10)
    at = table.column_names.index("extra")
    pq.write_table(table.set_column(at, "extra", nested), folder / partition.file_name)
    here = mage.on("nested", tmp_path, folder.as_uri())
    run = here.run("tlc_trips", '{"service": "yellow", "months": "2024-03"}')
    assert run.returncode == 1
    assert "column extra is list<" in run.stdout
