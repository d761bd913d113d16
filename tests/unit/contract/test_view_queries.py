"""What the views select, in each dialect. tests/ports asks a real database."""

from nyc_tlc.core.contract.model import CodeList, Column, ColumnType, Contract
from nyc_tlc.core.contract.sql import Dialect, table
from nyc_tlc.core.contract.view_queries import columns_of, view_queries

CODES = CodeList("kind", {1: "one"}, "nobody")
MONTH = Column("source_month", ColumnType.DATE, "")
CODED = Column("kind_id", ColumnType.SMALLINT, "", codes=CODES)
FLAG = Column("odd_flag", ColumnType.TEXT, "", codes=CODES)
ZONE = Column("pu_location_id", ColumnType.SMALLINT, "")


def _contract(service: str, *columns: Column) -> Contract:
    return Contract(service, 1, columns, (), ())


def test_a_code_and_a_zone_are_followed_by_their_names_and_a_flag_is_not():
    red = _contract("red", ZONE, FLAG, CODED, MONTH)
    assert view_queries([red], Dialect.POSTGRES, "s")["red_named"] == (
        'SELECT "trip"."pu_location_id", '
        '"pu_location_id_of"."borough" AS "pu_borough", "pu_location_id_of"."zone" AS "pu_zone", '
        '"trip"."odd_flag", '
        '"trip"."kind_id", "kind_id_of"."meaning" AS "kind_name", '
        '"trip"."source_month" '
        'FROM "s"."red" AS "trip" '
        'LEFT JOIN "s"."taxi_zone" AS "pu_location_id_of" '
        'ON "pu_location_id_of"."location_id" = "trip"."pu_location_id" '
        'LEFT JOIN "s"."kind" AS "kind_id_of" ON "kind_id_of"."code" = "trip"."kind_id"'
    )


def test_all_services_are_one_view_of_the_columns_that_they_share():
    contracts = [_contract("red", ZONE, CODED, MONTH), _contract("blue", MONTH, FLAG, ZONE)]
    queries = view_queries(contracts, Dialect.POSTGRES, 's"')
    assert list(queries) == ["red_named", "blue_named", "trips"]
    assert queries["trips"] == (
        'SELECT \'red\' AS "service", "pu_location_id", "source_month" FROM "s"""."red" UNION ALL '
        'SELECT \'blue\' AS "service", "pu_location_id", "source_month" FROM "s"""."blue"'
    )


def test_bigquery_has_one_view_of_all_quarantines_besides():
    contracts = [_contract("red", MONTH), _contract("blue", MONTH)]
    queries = view_queries(contracts, Dialect.BIGQUERY, "some-project", "tlc")
    assert list(queries) == ["red_named", "blue_named", "trips", "quarantine"]
    columns = "`source_month`, `source_row`, `reason`, `published`"
    assert queries["quarantine"] == (
        f"SELECT 'red' AS `service`, {columns} FROM `some-project`.`tlc`.`quarantine_red` "
        f"UNION ALL "
        f"SELECT 'blue' AS `service`, {columns} FROM `some-project`.`tlc`.`quarantine_blue`"
    )
    names = ["service", "source_month", "source_row", "reason", "published"]
    assert columns_of(queries["quarantine"], Dialect.BIGQUERY) == names


def test_the_name_of_a_table_is_quoted_wherever_it_is_written():
    assert table("p", "Select", 'a"').sql(Dialect.POSTGRES) == '"p"."Select"."a"""'
