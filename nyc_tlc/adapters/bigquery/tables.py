"""The dataset and its tables, made from the contracts, and kept to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.api_core import exceptions as api
from google.cloud import bigquery

from nyc_tlc.adapters.google.retry import TIMEOUT
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.schemas import bigquery_quarantine_schema, bigquery_schema
from nyc_tlc.core.errors import ConfigurationError

RETRY = bigquery.DEFAULT_RETRY.with_timeout(20.0)
"""The library bridges a blip of a request; longer outages are the run's to retry."""
REQUEST_TIMEOUT = TIMEOUT[1]
LABELS = {"managed_by": "nyc_tlc"}
MONTHLY = bigquery.TimePartitioning(type_=bigquery.TimePartitioningType.MONTH, field="source_month")
_CLUSTERED_BY = ("pu_location_id", "pickup_datetime")


@dataclass(frozen=True)
class ServiceTables:
    """The tables of one service: each month is a partition of both.

    The quarantine has a table per service and not one for all, because a partition is what
    BigQuery replaces atomically, and a partition by month of one table would hold every service.
    """

    trips: bigquery.Table
    quarantine: bigquery.Table


def service_tables(dataset: bigquery.DatasetReference, contract: Contract) -> ServiceTables:
    """What the tables of a service are to be."""
    name = contract.service
    return ServiceTables(
        _monthly(
            dataset.table(name),
            bigquery_schema(contract),
            f"Accepted {name} trips; one partition per published month. Times are New York's.",
            contract,
        ),
        _monthly(
            dataset.table(f"quarantine_{name}"),
            bigquery_quarantine_schema(contract),
            f"Rows that cannot be {name} trips of their month, as far as castable, with the "
            "reason and the published row.",
            contract,
        ),
    )


def lake_table(
    dataset: bigquery.DatasetReference, contract: Contract, lake_url: str
) -> bigquery.Table:
    """The external table over the service's part of ``trips/``; year and month are columns.

    One per service: an external table has one schema for every file.
    """
    prefix = f"{lake_url}/trips/service={contract.service}"
    config = bigquery.ExternalConfig(bigquery.ExternalSourceFormat.PARQUET)
    config.source_uris = [f"{prefix}/*"]
    hive = bigquery.HivePartitioningOptions()
    hive.mode = "CUSTOM"
    hive.source_uri_prefix = f"{prefix}/{{year:INTEGER}}/{{month:INTEGER}}"
    config.hive_partitioning = hive
    table = bigquery.Table(
        dataset.table(f"{contract.service}_lake"), schema=_fields(bigquery_schema(contract))
    )
    table.external_data_configuration = config
    table.description = f"The published {contract.service} trips where they lie, in the lake"
    table.labels = LABELS
    return table


def ensure_dataset(
    client: bigquery.Client, dataset: bigquery.DatasetReference, location: Callable[[], str]
) -> str:
    """Create the dataset if it is not there; returns where it is.

    Args:
        client: Of the project.
        dataset: Which one.
        location: Where a new one is to be; asked only then.
    """
    try:
        return str(client.get_dataset(dataset, retry=RETRY, timeout=REQUEST_TIMEOUT).location)
    except api.NotFound:
        made = bigquery.Dataset(dataset)
    made.location = location()
    made.labels = LABELS
    made.description = "New York TLC trip records, every month proved to the row"
    found = client.create_dataset(made, exists_ok=True, retry=RETRY, timeout=REQUEST_TIMEOUT)
    return str(found.location or made.location)


def ensure_table(client: bigquery.Client, wanted: bigquery.Table) -> bigquery.Table:
    """Create the table, or give an older one the columns, descriptions and labels that it lacks.

    Raises:
        ConfigurationError: the table is there, but is another.
    """
    try:
        found = client.get_table(wanted.reference, retry=RETRY, timeout=REQUEST_TIMEOUT)
    except api.NotFound:
        return client.create_table(wanted, exists_ok=True, retry=RETRY, timeout=REQUEST_TIMEOUT)
    _require_same(found, wanted)
    schema = _grown(found.schema, wanted.schema)
    labels = {**found.labels, **wanted.labels}
    if (schema, labels, wanted.description) == (
        list(found.schema),
        found.labels,
        found.description,
    ):
        return found
    found.schema, found.labels, found.description = schema, labels, wanted.description
    changed = ["schema", "labels", "description"]
    return client.update_table(found, changed, retry=RETRY, timeout=REQUEST_TIMEOUT)


def _require_same(found: bigquery.Table, wanted: bigquery.Table) -> None:
    present = {field.name: field for field in found.schema}
    differences = [
        f"column {field.name} is {present[field.name].field_type}, expected {field.field_type}"
        for field in wanted.schema
        if field.name in present and _standard(present[field.name]) != _standard(field)
    ]
    if found.time_partitioning is None and wanted.time_partitioning is not None:
        differences.append("it is not partitioned by the month of source_month")
    if differences:
        raise ConfigurationError(
            f"the table {found.full_table_id or found.reference} in BigQuery is not ours: "
            f"{'; '.join(differences[:3])}. Nothing was changed there. Move it away (bq cp, then "
            "bq rm), or name another BIGQUERY_DATASET."
        )


def _standard(field: bigquery.SchemaField) -> str:
    """The type in one spelling: the API answers INT64 with INTEGER."""
    return {"INTEGER": "INT64", "FLOAT": "FLOAT64"}.get(field.field_type, field.field_type)


def _grown(
    found: Sequence[bigquery.SchemaField], wanted: Sequence[bigquery.SchemaField]
) -> list[bigquery.SchemaField]:
    """The columns that are there, described as wanted, and the new ones, which must be nullable."""
    by_name = {field.name: field for field in wanted}
    kept = [_described(field, by_name.get(field.name)) for field in found]
    names = {field.name for field in found}
    new = [
        bigquery.SchemaField(f.name, f.field_type, description=f.description)
        for f in wanted
        if f.name not in names
    ]
    return [*kept, *new]


def _described(
    field: bigquery.SchemaField, wanted: bigquery.SchemaField | None
) -> bigquery.SchemaField:
    if wanted is None or wanted.description == field.description:
        return field
    return bigquery.SchemaField.from_api_repr(
        {**field.to_api_repr(), "description": wanted.description}
    )


def _monthly(
    reference: bigquery.TableReference,
    schema: list[dict[str, str]],
    description: str,
    contract: Contract,
) -> bigquery.Table:
    table = bigquery.Table(reference, schema=_fields(schema))
    table.time_partitioning = MONTHLY
    table.clustering_fields = [name for name in _CLUSTERED_BY if name in contract.by_name]
    table.description = description
    table.labels = {**LABELS, "service": contract.service, "contract": str(contract.version)}
    return table


def _fields(schema: list[dict[str, str]]) -> list[bigquery.SchemaField]:
    return [bigquery.SchemaField.from_api_repr(field) for field in schema]
