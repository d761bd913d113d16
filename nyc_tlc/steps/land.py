"""Land: store the published bytes of a month unchanged, by content, if they are new."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.core.catalog.row_counts import row_count_warning
from nyc_tlc.core.checksum import sha256_of
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.published_file import count_rows
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, Manifest, render_record
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.look import absent, find_source_path
from nyc_tlc.steps.records import is_proved_in_bigquery, landed, proved_manifest
from nyc_tlc.steps.staging import work_folder

T = TypeVar("T")


def land(row: RunRow, ports: Ports, publication: Publication) -> RunRow:
    """Bring the newest published version of a month into ``raw/``.

    A version that every store already holds, proved, makes the row ``unchanged`` (unless
    ``row.force``); then nothing was downloaded or read. One that only BigQuery lacks, because it
    was configured later, makes it ``published``: the lake has what is to be loaded. With
    ``row.force`` the file is fetched and stored again, which also repairs a damaged copy.

    Args:
        row: The partition to land.
        ports: Source, lake and ledger are used.
        publication: In which form the source has the month, and when at the latest.

    Raises:
        NotPublishedYet: the month is missing, within its lag.
        SourceError: it is missing after its lag, or is not a complete file of its format.
    """
    partition = row.partition
    with work_folder(ports.work_dir, f"land_{partition.table_name}") as folder:
        known = landed(partition, ports.lake)
        try:
            fetched = _fetch(row, known, ports, publication.source_format, folder)
        except SourceFileAbsentError as error:
            raise absent(partition, error, publication) from error
        landing = _store(row, fetched, ports.lake) if fetched else known
    assert landing is not None  # noqa: S101 - "not modified" answers only a known version
    manifest = None if row.force else proved_manifest(partition, landing, ports)
    counts = manifest.counts if manifest else None
    return RunRow(
        service=row.service,
        month=row.month,
        status=_status(partition, manifest, ports),
        published=landing.rows,
        accepted=counts.accepted if counts else 0,
        quarantined=counts.quarantined if counts else 0,
        reasons=counts.reasons if counts else {},
        bytes=landing.bytes,
        sha256=landing.sha256,
        run=row.run,
        force=row.force,
        warning=_warning(partition, landing),
    )


def landed_before(row: RunRow, lake: Lake) -> RunRow:
    """The version that lies in ``raw/``, as if it had landed just now; the source is not asked.

    Raises:
        SourceError: nothing of the month was ever landed, or its published bytes are gone.
    """
    landing = landed(row.partition, lake)
    if landing is None:
        raise SourceError(
            f"{row.partition}: {lake.url}/{lake_paths.landing(row.partition)} or the published "
            "file that it names is gone. Nothing was changed. Load the month from the source."
        )
    return replace(
        row,
        published=landing.rows,
        bytes=landing.bytes,
        sha256=landing.sha256,
        warning=_warning(row.partition, landing),
    )


def land_again(row: RunRow, ports: Ports, publication: Publication) -> RunRow:
    """Land for a repair: the version in ``raw/`` if its bytes are whole; else fetch the month.

    So a repair does not bring a revision along, and works where the source is out of reach.

    Raises:
        NotPublishedYet: raw/ is damaged and the source does not have the month yet.
        SourceError: raw/ is damaged and the source does not have the month any more.
    """
    landing = landed(row.partition, ports.lake)
    if landing is None or not _is_whole(landing, ports.lake):
        return land(row, ports, publication)
    return landed_before(row, ports.lake)


def _is_whole(landing: Landing, lake: Lake) -> bool:
    with lake.open(landing.raw) as raw:
        return sha256_of(raw) == landing.sha256


def landed_version(partition: Partition, sha256: str, lake: Lake) -> Landing:
    """The landing record of exactly this content.

    Raises:
        SourceError: the source changed under us: another version was landed meanwhile.
    """
    landing = landed(partition, lake)
    if landing is None or landing.sha256 != sha256:
        found = landing.sha256[:12] if landing else "nothing"
        raise SourceError(
            f"{partition}: the landed version changed during the run (found {found}, expected "
            f"{sha256[:12]}). The month stays as it was. Run it again."
        )
    return landing


def _fetch(
    row: RunRow,
    known: Landing | None,
    ports: Ports,
    source_format: SourceFormat,
    folder: Path,
) -> Fetched | None:
    """The month's file from wherever it may lie; None when it is the one that we know."""

    def fetch(path: str, etag: str | None) -> Fetched | None:
        return ports.source.fetch(path, folder, unless_etag=None if row.force else etag)

    return find_source_path(row.partition, known, source_format, fetch)


def _warning(partition: Partition, landing: Landing) -> str:
    """A difference from the rows once counted: in the Parquet files, which CSV never equalled."""
    if SourceFormat.of(landing.raw) is SourceFormat.CSV:
        return ""
    return row_count_warning(partition, landing.rows)


def _store(row: RunRow, fetched: Fetched, lake: Lake) -> Landing:
    partition = row.partition
    try:
        rows = count_rows(fetched.path, fetched.uri)
    except SourceError as error:
        fetched.path.unlink()
        raise SourceError(f"{partition}: {error}") from error
    suffix = fetched.path.name.removeprefix(partition.file_stem)
    landing = landing_of(fetched, rows, lake_paths.raw(partition, fetched.sha256, suffix))
    stored = lake.stat(landing.raw)
    if stored is not None and stored.bytes == landing.bytes and not row.force:
        fetched.path.unlink()
    else:
        lake.upload(fetched.path, landing.raw)
    lake.write(lake_paths.landing(partition), render_record(landing), if_generation=None)
    return landing


def landing_of(fetched: Fetched, rows: int, raw: str) -> Landing:
    """The record of a file that is stored as the lake's ``raw``."""
    return Landing(
        source_uri=fetched.uri,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        bytes=fetched.bytes,
        sha256=fetched.sha256,
        rows=rows,
        raw=raw,
    )


def _status(partition: Partition, manifest: Manifest | None, ports: Ports) -> Status:
    if manifest is None:
        return Status.LANDED
    if is_proved_in_bigquery(partition, manifest, ports):
        return Status.UNCHANGED
    return Status.PUBLISHED
