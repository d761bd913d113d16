"""What a partition was made from and what it became: the commit record of a month."""

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, ValidationError

from nyc_tlc.core.catalog.counts import Counts, Record, Rows
from nyc_tlc.core.catalog.ledger import Content
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.limits import MOST_RECORD_BYTES


def is_lake_path(path: str) -> bool:
    """Whether an object may have this path: none that leads out of the lake, or names a folder."""
    parts = path.split("/")
    return not {"", ".", ".."}.intersection(parts) and path.isprintable() and "\\" not in path


def _inside_the_lake(path: str) -> str:
    if not is_lake_path(path):
        raise ValueError("expected a path inside the lake")
    return path


LakePath = Annotated[str, AfterValidator(_inside_the_lake)]


class Landing(Record):
    """One version of a published file, as it was landed.

    Attributes:
        etag: As the source gave it; a hint only, TLC rewrites files without changing them.
        rows: Rows by its footer; of a CSV, its lines.
        raw: Lake path of the published bytes.
    """

    source_uri: str
    etag: str | None
    last_modified: str | None
    bytes: int
    sha256: str
    rows: Rows
    raw: LakePath


Generation = int | str
"""Which version of an object it is: GCS's own number, the folder's file time, the ETag of S3 and
Azure. S3's is the same for the same bytes, the others change with every write. 0: no object."""


class StoredObject(Record):
    """An object of the lake, exactly identified: ``crc32c`` is Base64, big-endian, as GCS's."""

    path: LakePath
    bytes: int
    generation: Generation
    crc32c: str


class _Reshaped(Record):
    """What conform made of a landed file, wherever the rows are.

    Attributes:
        contract: Name and version, ``yellow/1``.
        vintage: First month of the vintage that the file was read as.
        zone_polygons: SHA-256 of the zones by which coordinates became location ids; empty for a
            file that has ids.
    """

    service: str
    month: str
    contract: str
    vintage: str
    zone_polygons: str = ""
    landing: Landing
    counts: Counts

    @property
    def content(self) -> Content:
        return Content(self.landing.sha256, self.contract)


class Conformed(_Reshaped):
    """The record that conform leaves with the files it stages: trips, then quarantine."""

    staged: tuple[StoredObject, ...]


class Superseded(Record):
    """The version of the month that this one replaced; its raw file is kept."""

    sha256: str
    raw: LakePath
    contract: str


class Manifest(_Reshaped):
    """The commit record of a partition in the lake, written last.

    Attributes:
        objects: What readers see: trips, then quarantine.
        superseded: Other versions of the month, the one replaced last first; each once.
        warning: What is odd about the published file; empty when nothing is.
    """

    objects: tuple[StoredObject, ...]
    superseded: tuple[Superseded, ...]
    warning: str = ""
    run: str
    published_at: datetime

    def superseded_by(self, landing: Landing) -> tuple[Superseded, ...]:
        """What a version made from this landing replaces: this one and those before it."""
        own = Superseded(sha256=self.landing.sha256, raw=self.landing.raw, contract=self.contract)
        newest: dict[str, Superseded] = {}
        for version in (own, *self.superseded):
            newest.setdefault(version.sha256, version)
        newest.pop(landing.sha256, None)
        return tuple(newest.values())


class WarehouseJob(Record):
    """A job that a warehouse in the cloud ran for us, and what it cost.

    Attributes:
        kind: ``load`` or ``query``.
        rows: Rows that a load wrote; of a query, its result's.
        bytes_billed: 0 for a load: BigQuery loads free of charge.
        ended_at: By the warehouse's clock.
    """

    id: str
    kind: str
    rows: int
    bytes_billed: int
    slot_millis: int
    ended_at: datetime


class WarehouseLoad(Record):
    """What a warehouse that loads from the lake holds of a partition: its ledger's entry.

    Attributes:
        warehouse: Address of the warehouse: project and dataset.
        objects: The lake's objects that were loaded: trips, then quarantine.
        jobs: Every job that this load took, proof included.
        reconciled_at: When every store was proved equal; None until then.
    """

    service: str
    month: str
    warehouse: str
    contract: str
    sha256: str
    objects: tuple[StoredObject, ...]
    jobs: tuple[WarehouseJob, ...]
    run: str
    loaded_at: datetime
    reconciled_at: datetime | None = None

    @property
    def content(self) -> Content:
        return Content(self.sha256, self.contract)

    def is_of(self, manifest: Manifest) -> bool:
        """Whether it was made from what the manifest commits."""
        return (self.content, self.objects) == (manifest.content, manifest.objects)


RecordT = TypeVar("RecordT", bound=Record)


def parse_record(kind: type[RecordT], text: bytes, path: str) -> RecordT:
    """Read a record of the lake.

    Raises:
        SourceError: the object is not such a record; somebody else wrote or cut it.
    """
    if len(text) > MOST_RECORD_BYTES:
        raise _no_record(kind, path, f"{len(text):,} bytes, expected {MOST_RECORD_BYTES:,} at most")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise _no_record(kind, path, f"{where}: {first['msg']}") from error


def _no_record(kind: type[Record], path: str, found: str) -> SourceError:
    return SourceError(
        f"lake object {path} is not a {kind.__name__.lower()} record ({found}). Nothing was "
        "changed. Delete that object and run the month again; the data are rebuilt from raw/."
    )


def render_record(record: Record) -> bytes:
    return record.model_dump_json(indent=2).encode()
