"""The BigQuery emulator, with what our loads need and bqemulator 1.4.0 lacks.

Run by the interpreter of the emulator's own environment. Added are, as BigQuery documents them:
load jobs into one partition (``table$202401``) and rows listed of one, columns matched by name and
never taken from the path of the file, a load that fails or succeeds completely, tables that a load
makes or makes anew, the refusal of a job id that was used, columns added by ``tables.patch``,
``__TABLES_SUMMARY__``. docs/bigquery.md lists what is still different.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

import bqemulator.api.routes.jobs as job_routes
import bqemulator.api.routes.tabledata as tabledata_routes
import bqemulator.api.routes.upload as upload_routes
import duckdb
import duckdb_extension_spatial
from bqemulator.catalog.duckdb_repository import DuckDBCatalogRepository
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import JobMeta, TableMeta
from bqemulator.config import PersistenceMode, Settings
from bqemulator.domain.errors import (
    AlreadyExistsError,
    DomainError,
    InvalidQueryError,
    ResourceRef,
    resource_not_found,
)
from bqemulator.jobs import executor
from bqemulator.server import run_forever
from bqemulator.sql import inner_query
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns, duckdb_type_to_bq_field

from embedded.servers.ports import HOST

_MONTH = "%Y%m"
_original_load = executor.execute_load_job
_original_update = DuckDBCatalogRepository.update_table
_original_get = DuckDBCatalogRepository.get_table
_original_expand = inner_query.expand_information_schema
_SUMMARY = re.compile(
    r"`?(?:(?P<project>[\w-]+)`?\s*\.\s*`?)?(?P<dataset>\w+)`?\s*\.\s*`?__TABLES_SUMMARY__`?"
)


async def execute_load_job(project_id: str, job_id: str, config: dict[str, Any], ctx: Any) -> Any:
    """Replace or append to a table, or to one partition of it, from Parquet files."""
    load = config["load"]
    if load.get("sourceFormat") != "PARQUET":
        return await _original_load(project_id, job_id, config, ctx)
    began = ctx.clock.now()
    destination = load["destinationTable"]
    name, _, partition = destination["tableId"].partition("$")
    address = (destination["projectId"], destination["datasetId"], name)
    if ctx.catalog.get_dataset(*address[:2]) is None:
        raise resource_not_found(ResourceRef("dataset", *address[:2]))
    files = [executor._resolve_uri(uri, ctx) for uri in load["sourceUris"]]
    missing = [uri for uri, file in zip(load["sourceUris"], files, strict=True)
               if not Path(file).exists()]  # fmt: skip
    if missing:
        raise InvalidQueryError(f"Not found: URI {missing[0]}")
    async with ctx.engine.write_lock():
        table = _destination(ctx, address, partition, load, files)
        rows = _replace_rows(ctx.engine, table, partition, load, files)
        held = _one(ctx.engine, f"SELECT count(*) FROM {quoted_table_ref(*address)}")
        ctx.catalog.update_table(table.model_copy(update={"num_rows": held}))
    size = str(sum(Path(file).stat().st_size for file in files))
    statistics = {
        "inputFiles": str(len(files)), "inputFileBytes": size, "outputRows": str(rows),
        "outputBytes": size,
    }  # fmt: skip
    return JobMeta(
        project_id=project_id, job_id=job_id, job_type="LOAD", state="DONE", configuration=config,
        statistics={"load": statistics, "totalSlotMs": "0"}, creation_time=began, start_time=began,
        end_time=ctx.clock.now(), etag=generate_etag(project_id, job_id, str(began)),
    )  # fmt: skip


def _destination(
    ctx: Any, address: tuple[str, str, str], partition: str, load: dict[str, Any], files: list[str]
) -> TableMeta:
    """The table to load into: made where there is none, made anew where its columns change."""
    table: TableMeta | None = ctx.catalog.get_table(*address)
    disposition = load.get("writeDisposition")
    fields = (load.get("schema") or {}).get("fields") or _fields(ctx.engine, files)
    if load.get("createDisposition") == "CREATE_NEVER" or partition:
        if table is None:
            raise resource_not_found(ResourceRef("table", *address))
        return table
    if table is not None:
        if disposition == "WRITE_EMPTY" and table.num_rows:
            raise AlreadyExistsError(f"Already Exists: Table {address[0]}:{'.'.join(address[1:])}")
        held = [{"name": f.name, "type": f.type, "mode": f.mode} for f in table.schema_.fields]
        if disposition != "WRITE_TRUNCATE" or _columns(held) == _columns(fields):
            return table
        ctx.engine.execute(f"DROP TABLE {quoted_table_ref(*address)}")
        ctx.catalog.delete_table(*address)
    project, dataset, name = address
    executor._maybe_create_load_destination(
        dest_project=project, dest_dataset=dataset, dest_table_id=name,
        load_config={"schema": {"fields": fields}}, now=ctx.clock.now(), ctx=ctx,
    )  # fmt: skip
    made: TableMeta = ctx.catalog.get_table(*address)
    return made


def _fields(engine: Any, files: list[str]) -> list[dict[str, Any]]:
    described = engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [files]).fetchall()
    return [duckdb_type_to_bq_field(row[0], row[1]) for row in described]


def _columns(fields: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (name, kind.removesuffix(" NOT NULL")) for name, kind in bq_schema_to_duckdb_columns(fields)
    }


def _replace_rows(
    engine: Any, table: TableMeta, partition: str, load: dict[str, Any], files: list[str]
) -> int:
    target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
    here = f"strftime({_partition_column(table)}, '{_MONTH}') = ?" if partition else "TRUE"
    values = [partition] if partition else []
    engine.execute("BEGIN")
    try:
        if load.get("writeDisposition") == "WRITE_TRUNCATE":
            engine.execute(f"DELETE FROM {target} WHERE {here}", values)
        before = _one(engine, f"SELECT count(*) FROM {target} WHERE {here}", values)
        total = _one(engine, f"SELECT count(*) FROM {target}")
        engine.execute(
            f"INSERT INTO {target} BY NAME "
            "SELECT * FROM read_parquet(?, hive_partitioning = false)",
            [files],
        )
        rows = _one(engine, f"SELECT count(*) FROM {target} WHERE {here}", values) - before
        elsewhere = _one(engine, f"SELECT count(*) FROM {target}") - total - rows
        if elsewhere:
            raise InvalidQueryError(  # noqa: TRY301 - rolled back below
                "Some rows belong to different partitions rather than destination partition "
                f"{table.table_id}${partition}"
            )
        engine.execute("COMMIT")
    except BaseException:
        engine.execute("ROLLBACK")
        raise
    return rows


def _partition_column(table: TableMeta) -> str:
    partitioning = table.time_partitioning
    if partitioning is None or partitioning.type != "MONTH" or not partitioning.field:
        raise InvalidQueryError(f"{table.table_id} is not partitioned by the month of a column")
    return f'"{partitioning.field}"'


def _one(engine: Any, sql: str, values: list[str] | None = None) -> int:
    return int(engine.execute(sql, values or None).fetchone()[0])


async def insert_load_job(project_id: str, job_id: str, config: dict[str, Any], ctx: Any) -> Any:
    """A job id can be used once; a load that fails is a job that failed, not a bad request."""
    if ctx.catalog.get_job(project_id, job_id) is not None:
        raise AlreadyExistsError(f"Already Exists: Job {project_id}:US.{job_id}")
    try:
        return await execute_load_job(project_id, job_id, config, ctx)
    except (DomainError, duckdb.Error) as error:
        reason = error.bq_reason if isinstance(error, DomainError) else "invalid"
        return job_routes._failed_job_meta(
            project_id=project_id,
            job_id=job_id,
            job_type="LOAD",
            config=config,
            error_result={"reason": reason, "message": str(error)},
            now=ctx.clock.now(),
        )


def update_table(catalog: DuckDBCatalogRepository, table: TableMeta) -> TableMeta:
    """Give the stored table the columns that its description got."""
    if table.table_type == "TABLE":
        target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
        described = [{"name": f.name, "type": f.type, "mode": f.mode} for f in table.schema_.fields]
        for name, kind in bq_schema_to_duckdb_columns(described):
            catalog._engine.execute(
                f'ALTER TABLE {target} ADD COLUMN IF NOT EXISTS "{name}" '
                + kind.removesuffix(" NOT NULL")
            )
    return _original_update(catalog, table)


def expand_information_schema(sql: str, project_id: str, catalog: Any) -> str:
    """Know ``dataset.__TABLES_SUMMARY__``, too: Mage asks it whether a table exists."""

    def summary(named: re.Match[str]) -> str:
        address = (named["project"] or project_id, named["dataset"])
        if catalog.get_dataset(*address) is None:
            raise resource_not_found(ResourceRef("dataset", *address))
        return (
            "(SELECT table_catalog AS project_id, table_schema AS dataset_id, table_name AS "
            "table_id, CASE table_type WHEN 'VIEW' THEN 2 ELSE 1 END AS type "
            f"FROM `{address[0]}`.`{address[1]}`.INFORMATION_SCHEMA.TABLES)"
        )

    expanded: str = _original_expand(_SUMMARY.sub(summary, sql), project_id, catalog)
    return expanded


def get_table(
    catalog: DuckDBCatalogRepository, project_id: str, dataset_id: str, table_id: str
) -> TableMeta | None:
    """A table, also by the name of one of its partitions."""
    return _original_get(catalog, project_id, dataset_id, table_id.partition("$")[0])


def quoted_partition_ref(project_id: str, dataset_id: str, table_id: str) -> str:
    """What to list rows of: a table, or one partition of one of ours."""
    name, _, partition = table_id.partition("$")
    table: str = quoted_table_ref(project_id, dataset_id, name)
    if not partition.isdecimal():
        return table
    return f"(SELECT * FROM {table} WHERE strftime(source_month, '{_MONTH}') = '{partition}')"


def install_extension() -> None:
    """Put DuckDB's extension where it looks: below the home folder.

    It comes from a package; the emulator itself would download it.
    """
    os.environ["HOME"] = sys.prefix
    (extension,) = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")
    duckdb.execute(f"INSTALL '{extension}'")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gcs-root", type=Path, required=True)
    arguments = parser.parse_args()
    install_extension()
    job_routes.execute_load_job = execute_load_job
    job_routes._handle_load_job_with_async_envelope = insert_load_job
    upload_routes.execute_load_job = execute_load_job
    # As Google's client for Python sends them.
    upload_routes._PERMITTED_MEDIA_CONTENT_TYPES += ("*/*",)
    DuckDBCatalogRepository.update_table = update_table
    inner_query.expand_information_schema = expand_information_schema
    tabledata_routes.quoted_table_ref = quoted_partition_ref
    DuckDBCatalogRepository.get_table = get_table
    run_forever(
        Settings(
            rest_host=arguments.host,
            rest_port=arguments.port,
            grpc_port=0,
            persistence_mode=PersistenceMode.PERSISTENT,
            data_dir=arguments.data_dir,
            gcs_local_root=arguments.gcs_root,
            upload_staging_dir=arguments.data_dir / "uploads",
            enable_format_extensions=False,
            log_level="warning",
        )
    )


if __name__ == "__main__":
    main()
