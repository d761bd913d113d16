"""Trips without Mage: published months, the stores they are loaded into, and what these hold."""

from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from pathlib import Path

import psycopg2

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, Record, parse_record, render_record
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.audit import AuditScope, LakeAudit
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_inspector, connect_stores


class World:
    """Real stores, and a folder where TLC publishes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.published = Path(settings.tlc_source_url.removeprefix("file://"))

    @cached_property
    def ports(self) -> Ports:
        return connect_stores(self.settings)

    @property
    def lake(self) -> Lake:
        return self.ports.lake

    @property
    def trips(self) -> Trips:
        return Trips(self.settings, self.ports)

    def publish(self, *partitions: Partition, rows: int = 400, seed: int = 0) -> None:
        for partition in partitions:
            write_month(partition, rows, self.published, seed=seed)

    def load(self, *partitions: Partition, **options: bool) -> list[RunRow]:
        """Each month's row at the end of a run of tlc_trips."""
        return self.trips.load(self.trips.land(partitions, **options))

    def connection(self) -> psycopg2.extensions.connection:
        settings = self.settings
        return psycopg2.connect(
            host=settings.postgres_host, port=settings.postgres_port,
            dbname=settings.postgres_dbname, user=settings.postgres_user,
            password=settings.postgres_password.get_secret_value(),
            options=f"-c search_path={settings.postgres_schema}",
        )  # fmt: skip

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(self.connection()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def manifest(self, partition: Partition) -> Manifest:
        path = lake_paths.manifest(partition)
        return parse_record(Manifest, self.lake.read(path)[0], path)

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> None:
        self.lake.write(path, change(self.lake.read(path)[0]), if_generation=None)

    def amend(self, path: str, kind: type[Record], **changes: object) -> None:
        """Change what a record says."""
        record = parse_record(kind, self.lake.read(path)[0], path)
        self.rewrite(path, lambda _: render_record(record.model_copy(update=changes)))

    def audit(self, *partitions: Partition, **how: bool):
        audit = LakeAudit(self.settings, self.ports, connect_inspector(self.settings))
        return audit.audit(AuditScope(partitions, **how))

    def report(self) -> str:
        return self.lake.read(lake_paths.AUDIT_REPORT)[0].decode()
