"""From settings to adapters: the only place that chooses."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nyc_tlc.adapters.alerts import AlertChannels, EmailAlerts, SlackAlerts, TeamsAlerts
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.lake.reader import LakeReader
from nyc_tlc.adapters.postgres.connection import Database, Tls
from nyc_tlc.adapters.postgres.inspector import PostgresInspector
from nyc_tlc.adapters.postgres.reader import PostgresReader
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ConfigurationError, shorten
from nyc_tlc.core.lake.records import WarehouseLoad
from nyc_tlc.ports.alerts import Alerts
from nyc_tlc.ports.audit import Inspector
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.marts import MartPorts, MartStore
from nyc_tlc.ports.reader import TripReader
from nyc_tlc.ports.source import Source
from nyc_tlc.ports.warehouse import LakeWarehouse
from nyc_tlc.settings import HOME, Settings
from nyc_tlc.steps.records import read_load

if TYPE_CHECKING:
    from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
    from nyc_tlc.adapters.lake.gcs_bucket import GcsBucket

NO_BIGQUERY = "skipped: BIGQUERY_DATASET is not set"


def connect_stores(settings: Settings) -> Ports:
    """The outside world that the settings describe. Nothing is contacted yet."""
    warehouse = PostgresWarehouse(_database(settings), settings.postgres_schema)
    return Ports(
        source=_source(settings),
        lake=_lake(settings),
        warehouse=warehouse,
        ledger=warehouse,
        work_dir=settings.tlc_work_dir,
        bigquery=_bigquery(settings),
    )


def connect_alerts(settings: Settings) -> Alerts:
    """The channels that are configured, or none. Nothing is contacted yet."""
    channels: list[Alerts] = []
    if settings.tlc_alert_slack_webhook:
        channels.append(SlackAlerts(settings.tlc_alert_slack_webhook.get_secret_value()))
    if settings.tlc_alert_teams_webhook:
        channels.append(TeamsAlerts(settings.tlc_alert_teams_webhook.get_secret_value()))
    if settings.tlc_alert_email_to:
        password = settings.tlc_smtp_password
        channels.append(
            EmailAlerts(
                host=settings.tlc_smtp_host or "",
                port=settings.tlc_smtp_port,
                user=settings.tlc_smtp_user,
                password=password.get_secret_value() if password else None,
                sender=settings.tlc_alert_email_from or "",
                recipients=tuple(settings.tlc_alert_email_to.split(",")),
            )
        )
    return AlertChannels(channels)


def connect_marts(settings: Settings) -> MartPorts:
    """The warehouses of the settings, and their ledger. Nothing is contacted yet."""
    from nyc_tlc.adapters.postgres.marts import PostgresMarts  # late: sqlglot costs 0.2 s

    database, schema = _database(settings), settings.postgres_schema
    return MartPorts(
        ledger=PostgresWarehouse(database, schema),
        postgres=PostgresMarts(database, schema),
        bigquery=_bigquery_marts(settings),
    )


def _bigquery_marts(settings: Settings) -> MartStore | None:
    dataset = _bigquery_dataset(settings)
    if dataset is None:
        return None
    from nyc_tlc.adapters.bigquery.marts import BigQueryMarts

    lake = _lake(settings)

    def loaded(partition: Partition) -> WarehouseLoad | None:
        record = read_load(partition, lake, dataset.address)
        return record[0] if record else None

    return BigQueryMarts(dataset, loaded)


def connect_inspector(settings: Settings) -> Inspector:
    """What the audit asks of the warehouse. Nothing is contacted yet."""
    return PostgresInspector(_database(settings), settings.postgres_schema)


def connect_reader(settings: Settings, store: str) -> TripReader:
    """What shows rows of a store: ``postgres``, ``lake`` or ``bigquery``. Nothing is contacted yet.

    Raises:
        ConfigurationError: there is no such store, or it is not configured.
    """
    if store == "postgres":
        return PostgresReader(_database(settings), settings.postgres_schema)
    if store == "lake":
        return LakeReader(_lake(settings))
    if store != "bigquery":
        raise ConfigurationError(
            f"store {shorten(store)!r} is unknown: expected postgres, lake or bigquery."
        )
    dataset = _bigquery_dataset(settings)
    if dataset is None:
        raise ConfigurationError(
            "BigQuery is switched off here, since BIGQUERY_DATASET is not set: choose the store "
            "postgres or lake."
        )
    from nyc_tlc.adapters.bigquery.reader import BigQueryReader

    return BigQueryReader(dataset, _lake(settings))


def _database(settings: Settings) -> Database:
    return Database(
        host=settings.postgres_host,
        port=settings.postgres_port,
        dbname=settings.postgres_dbname,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        connect_timeout=settings.postgres_connect_timeout,
        tls=Tls(settings.postgres_sslmode, settings.postgres_sslrootcert),
    )


def _source(settings: Settings) -> Source:
    if settings.tlc_source_url.startswith("file://"):
        return FolderSource(_path(settings.tlc_source_url))
    from nyc_tlc.adapters.source.cdn import HttpSource

    return HttpSource(
        settings.tlc_source_url,
        timeout=settings.tlc_source_timeout,
        redirect_hosts=[host for host in settings.tlc_source_redirect_hosts.split(",") if host],
    )


def _lake(settings: Settings) -> Lake:
    url, cache = settings.lake_url, settings.tlc_work_dir / "lake_cache"
    if url.startswith("gs://"):
        from nyc_tlc.adapters.lake import gcs  # late: the client library costs half a second

        return gcs.connect(
            url,
            cache=cache,
            emulator=settings.storage_emulator_host,
            key_file=settings.google_application_credentials,
        )
    if url.startswith(("s3://", "az://")):
        from nyc_tlc.adapters.lake import object_store

        return object_store.connect(url, cache=cache)
    return FolderLake(_path(url))


def _bigquery(settings: Settings) -> LakeWarehouse | None:
    dataset = _bigquery_dataset(settings)
    if dataset is None:
        return None
    from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse

    return BigQueryWarehouse(dataset)


def _bigquery_dataset(settings: Settings) -> "BigQueryDataset | None":
    if settings.bigquery_project is None or settings.bigquery_dataset is None:
        return None
    # Late: the client library costs half a second.
    from nyc_tlc.adapters.bigquery.connection import BigQuerySettings, connect

    return connect(
        BigQuerySettings(
            project=settings.bigquery_project,
            dataset=settings.bigquery_dataset,
            location=settings.bigquery_location,
            lake_url=settings.lake_url.rstrip("/"),
            maximum_bytes_billed=settings.bigquery_maximum_bytes_billed,
        ),
        emulator=settings.bigquery_emulator_host,
        storage_emulator=settings.storage_emulator_host,
        key_file=settings.google_application_credentials,
    )


def connect_bucket(settings: Settings) -> "GcsBucket":
    """The bucket of the lake, for its own settings.

    Raises:
        ConfigurationError: the lake is in no bucket of Cloud Storage.
    """
    if not settings.lake_url.startswith("gs://"):
        raise ConfigurationError(
            f"LAKE_URL is {settings.lake_url}, expected gs://bucket[/prefix]: only a bucket of "
            "Google Cloud Storage is set up from here. Nothing was changed. docs/lake.md says "
            "what a bucket elsewhere needs."
        )
    from nyc_tlc.adapters.lake import gcs_bucket

    return gcs_bucket.connect(
        settings.lake_url,
        emulator=settings.storage_emulator_host,
        key_file=settings.google_application_credentials,
    )


def _path(url: str) -> Path:
    """A folder; a relative one means the same wherever the process was started."""
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://")))
    return HOME / Path(url).expanduser()
