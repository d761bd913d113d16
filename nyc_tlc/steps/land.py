"""Land: store the published bytes of a month unchanged, by content, if they are new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nyc_tlc.core.errors import NotPublishedYet, SourceError
from nyc_tlc.core.manifest import Counts, Landing, Manifest, parse_record, render_record
from nyc_tlc.core.manifest_table import ManifestRow, Status
from nyc_tlc.core.month import Month
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.published_rows import row_count_warning
from nyc_tlc.core.source_format import SourceFormat, published_paths
from nyc_tlc.ports import Fetched, Lake, Ports, SourceFileAbsentError
from nyc_tlc.steps import lake_paths
from nyc_tlc.steps.published_file import published_rows
from nyc_tlc.steps.work_folder import work_folder


@dataclass(frozen=True)
class Publication:
    """What is known of how TLC publishes.

    Attributes:
        source_format: The form of the files at the source.
        lag: Months after its end for which a month may still be missing.
        today: Decides whether a missing month is late.
    """

    source_format: SourceFormat
    lag: int
    today: date


def land(row: ManifestRow, ports: Ports, publication: Publication) -> ManifestRow:
    """Bring the newest published version of a month into ``raw/``.

    A version that every store already holds, proved, makes the row ``unchanged`` (unless
    ``row.force``); then nothing was downloaded or read. With ``row.force`` the file is fetched and
    stored anew, which also mends a damaged copy in ``raw/``.

    Args:
        row: The partition to land.
        ports: Source, lake and ledger are used.
        publication: In which form the source has the month, and when at the latest.

    Raises:
        NotPublishedYet: the month is missing, within its lag.
        SourceError: it is missing after its lag, or is no whole file of its format.
    """
    partition = row.partition
    with work_folder(ports.work_dir, f"land_{partition.table_name}") as folder:
        known = _landed(partition, ports.lake)
        try:
            fetched = _fetch(row, known, ports, publication.source_format, folder)
        except SourceFileAbsentError as error:
            raise _absent(partition, error, publication) from error
        landing = _store(row, fetched, ports.lake) if fetched else known
    assert landing is not None  # noqa: S101 - "not modified" answers only a known version
    proved = None if row.force else _proved(partition, landing, ports)
    return ManifestRow(
        service=row.service,
        month=row.month,
        status=Status.UNCHANGED if proved else Status.LANDED,
        published=landing.rows,
        accepted=proved.accepted if proved else 0,
        quarantined=proved.quarantined if proved else 0,
        reasons=proved.reasons if proved else "",
        bytes=landing.bytes,
        sha256=landing.sha256,
        run=row.run,
        force=row.force,
        warning=_warning(partition, landing),
    )


def landed_version(partition: Partition, sha256: str, lake: Lake) -> Landing:
    """The landing record of exactly this content.

    Raises:
        SourceError: the source changed under us: another version was landed meanwhile.
    """
    landing = _landed(partition, lake)
    if landing is None or landing.sha256 != sha256:
        found = landing.sha256[:12] if landing else "nothing"
        raise SourceError(
            f"{partition}: the landed version changed during the run (found {found}, expected "
            f"{sha256[:12]}). The month stays as it was. Run it again."
        )
    return landing


def _landed(partition: Partition, lake: Lake) -> Landing | None:
    path = lake_paths.landing(partition)
    record = lake.read(path)
    if record is None:
        return None
    landing = parse_record(Landing, record[0], path)
    stored = lake.stat(landing.raw)
    return landing if stored is not None and stored.bytes == landing.bytes else None


def _fetch(
    row: ManifestRow,
    known: Landing | None,
    ports: Ports,
    source_format: SourceFormat,
    folder: Path,
) -> Fetched | None:
    """The month's file from wherever it may lie; None when it is the one that we know."""
    partition = row.partition
    *others, last = published_paths(source_format, partition.service.name, partition.file_stem)
    for path in (*others, last):
        suffix = path.rpartition(partition.file_stem)[2]
        same_name = known is not None and known.raw.endswith(known.sha256 + suffix)
        etag = known.etag if known is not None and same_name and not row.force else None
        try:
            return ports.source.fetch(path, folder, unless_etag=etag)
        except SourceFileAbsentError:
            if path == last:
                raise
    raise AssertionError("every format has a path")


def _warning(partition: Partition, landing: Landing) -> str:
    """A difference from the rows once counted: in the Parquet files, which CSV never equalled."""
    if SourceFormat.of(landing.raw) is SourceFormat.CSV:
        return ""
    return row_count_warning(partition, landing.rows)


def _store(row: ManifestRow, fetched: Fetched, lake: Lake) -> Landing:
    partition = row.partition
    try:
        rows = published_rows(fetched.path, fetched.uri)
    except SourceError as error:
        fetched.path.unlink()
        raise SourceError(f"{partition}: {error}") from error
    suffix = fetched.path.name.removeprefix(partition.file_stem)
    landing = landing_of(fetched, rows, lake_paths.raw(partition, fetched.sha256, suffix))
    stored = lake.stat(landing.raw)
    if stored is not None and stored.bytes == landing.bytes and not row.force:
        fetched.path.unlink()
    else:
        lake.take(fetched.path, landing.raw)
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


def _proved(partition: Partition, landing: Landing, ports: Ports) -> Counts | None:
    """The month's counts, if every store holds exactly this version under today's contract."""
    wanted = (landing.sha256, partition.contract_id)
    entry = ports.ledger.entry(partition)
    if entry is None or entry.reconciled_at is None or (entry.sha256, entry.contract) != wanted:
        return None
    path = lake_paths.manifest(partition)
    record = ports.lake.read(path)
    if record is None:
        return None
    manifest = parse_record(Manifest, record[0], path)
    same = (manifest.landing.sha256, manifest.contract) == wanted
    return manifest.counts if same and in_place(manifest, ports.lake) else None


def in_place(manifest: Manifest, lake: Lake) -> bool:
    """Whether the objects that a manifest names are there, as it describes them."""
    stats = [(lake.stat(stored.path), stored) for stored in manifest.objects]
    return all(
        found is not None and (found.bytes, found.generation) == (stored.bytes, stored.generation)
        for found, stored in stats
    )


def _absent(
    partition: Partition, error: SourceFileAbsentError, publication: Publication
) -> NotPublishedYet | SourceError:
    lag = publication.lag
    if Month.of(publication.today) <= partition.month + 1 + lag:
        return NotPublishedYet(
            f"{partition} is not published yet: {error}; TLC publishes a month some {lag} months "
            "after its end. Nothing was changed. Try again later."
        )
    return SourceError(
        f"{partition} is missing: {error}, though its publication lag of {lag} months is over "
        "(the CDN also says 403 when it throttles). The month stays as it was. Check "
        f"TLC_SOURCE_URL and TLC_SOURCE_FORMAT ({publication.source_format}), or try again later."
    )
