"""What the views must be: every trip once, by names, and never in the way of a load."""

from dataclasses import replace
from datetime import date

import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.model import Column, ColumnType, Contract
from nyc_tlc.core.contract.service import FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.months import SampleMonth, at_once, load, load_dimensions, partition

CONTRACTS = [service.contract for service in SERVICES.values()]
GREEN_MONTH = SampleMonth(
    rows=5,
    values={
        "vendor_id": [1, 2, 6, 77, None],
        "rate_code_id": [1, 99, 50, None, 2],
        "payment_type": [1, 2, 0, 5, None],
        "trip_type": [1, 2, None, 9, 1],
        "pu_location_id": [132, 264, 1, None, 265],
        "do_location_id": [1, 132, 200, 265, None],
        "store_and_fwd_flag": ["Y", "N", None, "?", "N"],
    },
)
FHVHV_MONTH = SampleMonth(
    partition(service=FHVHV),
    rows=2,
    values={"hvfhs_license_num": ["HV0003", "HV9999"], "wav_match_flag": ["Y", "N"]},
)
JANUARY, MARCH = {"green_2024_01"}, {"green_2024_03"}
YELLOW_MONTH = SampleMonth(partition("2024-02", YELLOW), rows=3, quarantined=[{"a": 1}])


@pytest.fixture
def named(warehouse) -> PostgresWarehouse:
    """A warehouse with dimensions, months of three services, and the views."""
    load_dimensions(warehouse)
    for month in (GREEN_MONTH, FHVHV_MONTH, YELLOW_MONTH):
        load(warehouse, month)
    warehouse.replace_views(CONTRACTS)
    return warehouse


def test_codes_and_zones_have_their_names(named, query):
    assert query(
        "SELECT vendor_name, rate_code_name, payment_type_name, trip_type_name "
        "FROM green_named ORDER BY source_row"
    ) == [
        ("Creative Mobile Technologies", "Standard rate", "Credit card", "Street-hail"),
        ("Curb Mobility (formerly VeriFone)", "Null or unknown", "Cash", "Dispatch"),
        ("Myle Technologies", None, "Flex Fare trip", None),
        (None, None, "Unknown", None),
        (None, "JFK", None, "Street-hail"),
    ]
    assert query(
        "SELECT pu_borough, pu_zone, do_borough, do_zone FROM green_named ORDER BY source_row"
    ) == [
        ("Queens", "JFK Airport", "EWR", "Newark Airport"),
        ("Unknown", "N/A", "Queens", "JFK Airport"),
        ("EWR", "Newark Airport", None, None),
        (None, None, "N/A", "Outside of NYC"),
        ("N/A", "Outside of NYC", None, None),
    ]
    licenses = query("SELECT hvfhs_license_name FROM fhvhv_named ORDER BY source_row")
    assert licenses == [("Uber",), (None,)]


def test_named_views_have_every_column_and_every_row(named, query):
    for service in SERVICES.values():
        columns = ", ".join(f'"{column.name}"' for column in service.contract.columns)
        ordered = f"SELECT {columns} FROM {{}} ORDER BY source_month, source_row"
        assert query(ordered.format(f"{service}_named")) == query(ordered.format(service))


def test_all_services_are_in_one_view(named, query):
    assert query("SELECT service, source_month, count(*) FROM trips GROUP BY 1, 2 ORDER BY 1") == [
        ("fhvhv", date(2024, 1, 1), 2),
        ("green", date(2024, 1, 1), 5),
        ("yellow", date(2024, 2, 1), 3),
    ]


@pytest.mark.parametrize(
    ("statement", "read", "left_out"),
    [
        ("SELECT count(*) FROM green_named", JANUARY, {"Join", "Loop"}),
        ("SELECT vendor_name, fare_amount FROM green_named", {"vendor"}, {"taxi_zone"}),
        ("SELECT pu_zone, count(*) FROM green_named GROUP BY 1", {"taxi_zone"}, {"vendor"}),
        ("SELECT pu_zone FROM green_named WHERE source_month = '2024-03-01'", MARCH, JANUARY),
        ("SELECT * FROM trips WHERE service = 'green'", JANUARY, {"yellow"}),
        ("SELECT * FROM trips WHERE pickup_datetime >= '2024-04-10'", MARCH, JANUARY),
    ],
)
def test_planner_reads_only_what_is_asked_for(named, query, statement, read, left_out):
    load(named, SampleMonth(partition("2024-03")))
    plan = str(query(f"EXPLAIN {statement}"))
    assert {name for name in read | left_out if name in plan} == read


def test_views_over_an_empty_warehouse_are_empty(warehouse, query):
    load_dimensions(warehouse)
    assert warehouse.replace_views(CONTRACTS) == (
        "yellow_named", "green_named", "fhv_named", "fhvhv_named", "trips",
    )  # fmt: skip
    counts = "SELECT (SELECT count(*) FROM trips), (SELECT count(*) FROM green_named)"
    assert query(counts) == [(0, 0)]
    load(warehouse, GREEN_MONTH)
    assert query(counts) == [(5, 5)]


def test_views_without_dimensions_are_refused(warehouse, query):
    with pytest.raises(ConfigurationError, match="vendor"):
        warehouse.replace_views(CONTRACTS)
    assert query("SELECT count(*) FROM pg_views WHERE schemaname = current_schema") == [(0,)]


def _grown(at: int) -> Contract:
    """The green contract with a column more."""
    columns = GREEN.contract.columns
    surge = Column("surge", ColumnType.DOUBLE, "More to pay")
    return replace(GREEN.contract, columns=(*columns[:at], surge, *columns[at:]))


@pytest.mark.parametrize("at", [3, len(GREEN.contract.columns)], ids=["amid", "last"])
def test_contract_that_grew_gives_the_views_its_column(at, named, query):
    named.replace_views([_grown(at), *(c for c in CONTRACTS if c is not GREEN.contract)])
    found = query("SELECT count(*), count(surge), count(vendor_name) FROM green_named")
    assert found == [(5, 0, 3)]


def test_views_and_grants_of_others_outlive_ours_or_stop_the_change_by_name(named, query):
    query("CREATE VIEW mine AS SELECT pu_zone FROM green_named")
    query("GRANT SELECT ON green_named TO PUBLIC")
    grants = "SELECT relacl::text FROM pg_class WHERE oid = 'green_named'::regclass"
    granted = query(grants)
    for _ in range(2):
        named.replace_views(CONTRACTS)
    with pytest.raises(ConfigurationError, match=r"mine depends on view .*run the pipeline"):
        named.replace_views([_grown(3)])
    assert query("SELECT count(pu_zone) FROM mine") == [(4,)]
    assert query(grants) == granted


def test_views_and_months_replaced_at_once_do_not_block_one_another(named, query):
    calls = [
        lambda: [named.replace_views(CONTRACTS) for _ in range(5)],
        lambda: [load(named, replace(GREEN_MONTH, sha256=f"{n}" * 64)) for n in range(5)],
        lambda: [load_dimensions(named) for _ in range(3)],
    ]
    at_once([calls[0], *calls])
    assert query("SELECT count(*), count(vendor_name) FROM green_named") == [(5, 3)]


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE VIEW trips AS SELECT * FROM green",
        "CREATE VIEW green_named AS SELECT 1 AS vendor_name, 2 AS vendor_id",
        "CREATE MATERIALIZED VIEW fhv_named AS SELECT dispatching_base_num FROM fhv",
        "CREATE TABLE yellow_named (vendor_id smallint)",
        "CREATE VIEW trips AS SELECT 'green' AS service; COMMENT ON VIEW trips IS 'of mine'",
    ],
)
def test_a_view_of_others_is_left_and_named(named, query, theirs):
    name = theirs.split(" AS ")[0].split(" (")[0].split()[-1]
    query(f"DROP VIEW {name}; {theirs}")
    found = (
        "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    )
    before = query(found)
    with pytest.raises(ConfigurationError, match=f"the view {name} is there, and its comment"):
        named.replace_views(CONTRACTS)
    assert query(found) == before


def test_views_from_before_there_were_marks_are_ours(named, query):
    for name in ("green_named", "trips"):
        query(f"COMMENT ON VIEW {name} IS NULL")
    named.replace_views([_grown(3), *(c for c in CONTRACTS if c is not GREEN.contract)])
    assert query("SELECT obj_description('trips'::regclass)") == [("Made by nyc_tlc as trips",)]
    assert query("SELECT count(surge) FROM green_named") == [(0,)]
