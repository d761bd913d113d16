"""Tables, created from the contracts and kept up to date with them."""

from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions as api
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.schemas import bigquery_fields, bigquery_quarantine_schema
from nyc_tlc.core.errors import ConfigurationError

CALL: dict[str, Any] = {"retry": bigquery.DEFAULT_RETRY.with_timeout(20.0), "timeout": 20.0}
"""Of every request: the library bridges a blip; longer outages are the run's to retry. BigQuery
itself may wait ten seconds before it answers that a query goes on."""
LABELS = {"managed_by": "nyc_tlc"}
_ANSWERED = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
"""Types by which the API answers others."""
_CLUSTERED_BY = ("pu_location_id", "pickup_datetime")


def new_table(
    reference: bigquery.TableReference | str,
    fields: Sequence[dict[str, str]],
    description: str,
    *,
    clustered_by: Sequence[str] = (),
    monthly: bool = True,
) -> bigquery.Table:
    """A table as we create it; ``monthly`` makes each month of ``source_month`` a partition."""
    schema = [bigquery.SchemaField.from_api_repr(field) for field in fields]
    table = bigquery.Table(reference, schema=schema)
    table.description, table.labels = description, LABELS
    if clustered_by:
        table.clustering_fields = list(clustered_by)
    if monthly:
        by_month = bigquery.TimePartitioningType.MONTH
        table.time_partitioning = bigquery.TimePartitioning(by_month, field="source_month")
    return table


def service_tables(
    dataset: bigquery.DatasetReference, contract: Contract
) -> tuple[bigquery.Table, bigquery.Table]:
    """The tables of a service, trips and quarantine: each month is a partition of both.

    The quarantine has a table per service and not one for all, because a partition is what
    BigQuery replaces atomically, and a partition by month of one table would hold every service.
    """
    name = contract.service
    clustered_by = [column for column in _CLUSTERED_BY if column in contract.by_name]
    trips = new_table(
        dataset.table(name),
        bigquery_fields(contract.columns),
        f"Accepted {name} trips; one partition per published month. Times are New York's.",
        clustered_by=clustered_by,
    )
    quarantine = new_table(
        dataset.table(f"quarantine_{name}"),
        bigquery_quarantine_schema(contract),
        f"Rows that cannot be {name} trips of their month, as far as castable, with the "
        "reason and the published row.",
        clustered_by=clustered_by,
    )
    for table in (trips, quarantine):
        table.labels = {**LABELS, "service": name, "contract": str(contract.version)}
    return trips, quarantine


def lake_table(
    dataset: bigquery.DatasetReference, contract: Contract, lake_url: str
) -> bigquery.Table:
    """The external table over the service's part of ``trips/``; year and month are columns.

    One per service: an external table has one schema for every file.
    """
    table = new_table(
        dataset.table(f"{contract.service}_lake"),
        bigquery_fields(contract.columns),
        f"The published {contract.service} trips where they are, in the lake",
        monthly=False,
    )
    prefix = f"{lake_url}/trips/service={contract.service}"
    hive = bigquery.HivePartitioningOptions()
    hive.mode = "CUSTOM"
    hive.source_uri_prefix = f"{prefix}/{{year:INTEGER}}/{{month:INTEGER}}"
    config = bigquery.ExternalConfig(bigquery.ExternalSourceFormat.PARQUET)
    config.source_uris = [f"{prefix}/*"]
    config.hive_partitioning = hive
    table.external_data_configuration = config
    return table


def ensure_table(client: bigquery.Client, wanted: bigquery.Table) -> bigquery.Table:
    """Create the table, or give an older one the columns, descriptions and labels that it lacks.

    Raises:
        ConfigurationError: a table of this name exists and is not ours.
    """
    try:
        found = client.get_table(wanted.reference, **CALL)
    except api.NotFound:
        return client.create_table(wanted, exists_ok=True, **CALL)
    require_ours(found)
    _require_same(found, wanted)
    before = (list(found.schema), found.labels, found.description)
    after = (_grown(found, wanted), {**found.labels, **wanted.labels}, wanted.description)
    if before == after:
        return found
    found.schema, found.labels, found.description = after
    return client.update_table(found, ["schema", "labels", "description"], **CALL)


def ensure_view(client: bigquery.Client, wanted: bigquery.Table, columns: Sequence[str]) -> None:
    """Create the view, or let ours have the wanted query.

    One from before views had a label is known by its columns, which are ours, in their order.

    Raises:
        ConfigurationError: what has this name is not ours.
    """
    try:
        found = client.get_table(wanted.reference, **CALL)
    except api.NotFound:
        client.create_table(wanted, exists_ok=True, **CALL)
        return
    ours, had = iter(columns), [field.name for field in found.schema]
    was_ours = found.table_type == "VIEW" and had and all(column in ours for column in had)
    if not was_ours or found.labels:
        require_ours(found)
    found.view_query, found.labels = wanted.view_query, {**(found.labels or {}), **LABELS}
    client.update_table(found, ["view_query", "labels"], **CALL)


def is_ours(found: bigquery.Table | TableListItem) -> bool:
    """Whether its labels record that we made it."""
    return LABELS.items() <= (found.labels or {}).items()


def require_ours(found: bigquery.Table) -> None:
    """Let nothing of others be written to.

    Raises:
        ConfigurationError: the table or view has no label of ours.
    """
    if not is_ours(found):
        (label,) = (f"{name}:{value}" for name, value in LABELS.items())
        raise ConfigurationError(
            f"{found.reference} in BigQuery is not ours: it has no label {label}. Nothing was "
            "changed there. Move it away (bq cp, then bq rm), or name another BIGQUERY_DATASET. "
            f"If you know that it is ours: bq update --set_label {label} "
            f"{found.dataset_id}.{found.table_id}"
        )


def _require_same(found: bigquery.Table, wanted: bigquery.Table) -> None:
    types = {field.name: field.field_type for field in found.schema}
    differences = [
        f"column {field.name} is {types[field.name]}, expected {field.field_type}"
        for field in wanted.schema
        if field.name in types
        and _ANSWERED.get(types[field.name], types[field.name]) != field.field_type
    ]
    if found.time_partitioning is None and wanted.time_partitioning is not None:
        differences.append("it is not partitioned by the month of source_month")
    if differences:
        raise ConfigurationError(
            f"the table {found.full_table_id or found.reference} in BigQuery is not ours: "
            f"{'; '.join(differences[:3])}. Nothing was changed there. Move it away (bq cp, then "
            "bq rm), or name another BIGQUERY_DATASET."
        )


def _grown(found: bigquery.Table, wanted: bigquery.Table) -> list[bigquery.SchemaField]:
    """The columns of the table, described as wanted, and the new ones, which must be nullable."""
    kept = {field.name: field for field in found.schema}
    for field in wanted.schema:
        had = kept.get(field.name)
        if had is None:
            kept[field.name] = bigquery.SchemaField(
                field.name, field.field_type, description=field.description
            )
        elif had.description != field.description:
            described = {**had.to_api_repr(), "description": field.description}
            kept[field.name] = bigquery.SchemaField.from_api_repr(described)
    return list(kept.values())
