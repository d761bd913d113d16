"""Land: store the published bytes of a month unchanged, by content, if they are new."""

from contextlib import suppress
from dataclasses import replace

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.core.catalog.row_counts import row_count_warning
from nyc_tlc.core.checksum import sha256_of
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError, SourceError
from nyc_tlc.core.files.published_file import count_rows, is_sample
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, Manifest, render_record
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.look import absent, find_source_path
from nyc_tlc.steps.records import (
    has_outdated_zones,
    is_proved_in_bigquery,
    landed,
    proved_manifest,
)
from nyc_tlc.steps.staging import work_folder


def land(
    row: RunRow, ports: Ports, publication: Publication, *, keep_origin: bool = False
) -> RunRow:
    """Bring the newest published version of a month into ``raw/``.

    A version that every store already holds, proved, makes the row ``unchanged`` (unless
    ``row.force``); then nothing was downloaded or read. One that only BigQuery lacks, because it
    was configured later, makes it ``published``: the lake has what is to be loaded. One that was
    located with polygons which others have replaced since is loaded again, by force. With
    ``row.force`` the file is fetched and stored again, which also repairs a damaged copy; only
    ``keep_origin`` then still refuses a sample in a real month's place, and the reverse.

    Raises:
        NotPublishedYet: the month is missing, within its lag.
        SourceError: it is missing after its lag, or is not a complete file of its format.
        ConfigurationError: it is a sample and the stores hold the real month, or the reverse.
    """
    partition, force = row.partition, row.force
    with work_folder(ports.work_dir, f"land_{partition.table_name}") as folder:
        known = landed(partition, ports.lake)
        try:
            fetched = find_source_path(
                partition,
                known,
                publication.source_format,
                lambda path, etag: ports.source.fetch(
                    path, folder, unless_etag=None if force else etag
                ),
            )
        except SourceFileAbsentError as error:
            raise absent(partition, error, publication) from error
        if fetched:
            try:
                row = _counted(row, fetched)
                if keep_origin or not force:
                    require_same_origin(row, known, ports)
            except (SourceError, ConfigurationError):
                fetched.path.unlink()
                raise
        landing = _store(row, fetched, ports.lake) if fetched else known
    assert landing is not None  # noqa: S101 - "not modified" answers only a known version
    manifest = None if force else proved_manifest(partition, landing, ports)
    if manifest is not None and has_outdated_zones(manifest, ports.lake):
        # What the month is made from has not changed, so the stores would keep it as it is.
        row, manifest = replace(row, force=True), None
    if not fetched:
        row = replace(row, is_sample=_is_sample(landing, manifest, ports.lake))
    row = _as_landed(row, landing)
    if manifest is None:
        notes = (row.warning, _note_on_zones(row, ports.lake))
        return replace(row, warning="; ".join(filter(None, notes)))
    counts = manifest.counts
    is_everywhere = is_proved_in_bigquery(partition, manifest, ports)
    return replace(
        row,
        status=Status.UNCHANGED if is_everywhere else Status.PUBLISHED,
        accepted=counts.accepted,
        quarantined=counts.quarantined,
        reasons=counts.reasons,
    )


def _note_on_zones(row: RunRow, lake: Lake) -> str:
    """Of TLC's own month, whose zones would be named by what a demo has left in the stores."""
    own = lake_paths.ZONE_LOOKUP_LANDING
    if row.is_sample or lake.stat(own) or not lake.stat(lake_paths.of_samples(own)):
        return ""
    return "the zones in the stores are samples: tlc_zones loads TLC's own (make zones)"


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
    return _as_landed(replace(row, is_sample=_is_sample(landing, None, lake)), landing)


def _as_landed(row: RunRow, landing: Landing) -> RunRow:
    return replace(
        row,
        published=landing.rows,
        bytes=landing.bytes,
        sha256=landing.sha256,
        warning=_warning(row, landing),
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
        return land(row, ports, publication, keep_origin=True)
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


def require_same_origin(row: RunRow, known: Landing | None, ports: Ports) -> None:
    """Refuse to let a sample take a real month's place, or a real month a sample's.

    What the ledger says counts, and what the bytes landed last, if any, say of themselves.

    Raises:
        ConfigurationError: the stores hold the other.
    """
    entry = ports.ledger.entry(row.partition)
    held = {entry.is_sample} if entry is not None else set()
    if known is not None and known.sha256 != row.sha256:
        with suppress(SourceError):  # damaged, which is no reason to keep it
            held.add(_is_sample(known, None, ports.lake))
    if (not row.is_sample) in held:
        new, old = ("a sample", "TLC's own") if row.is_sample else ("TLC's own", "a sample")
        raise ConfigurationError(
            f"{row.partition}: what would be loaded is {new} and what the stores hold is {old}. "
            "The month stays as it was. Check TLC_SOURCE_URL, or let tlc_trips replace it with "
            "force=true."
        )


def _is_sample(landing: Landing, manifest: Manifest | None, lake: Lake) -> bool:
    """Whether the month was generated; where no manifest says it, its published bytes do."""
    if manifest is not None:
        return manifest.counts.is_sample
    with lake.open_range(landing.raw) as raw:
        return is_sample(raw, landing.source_uri, SourceFormat.of(landing.raw))


def _warning(row: RunRow, landing: Landing) -> str:
    """A difference from the rows once counted: in the Parquet files, which CSV never equalled."""
    if row.is_sample:
        return "a sample: generated for a trial, and never published by TLC"
    if SourceFormat.of(landing.raw) is SourceFormat.CSV:
        return ""
    return row_count_warning(row.partition, landing.rows)


def _counted(row: RunRow, fetched: Fetched) -> RunRow:
    try:
        rows = count_rows(fetched.path, fetched.uri)
        with fetched.path.open("rb") as file:
            generated = is_sample(file, fetched.uri, SourceFormat.of(fetched.path.name))
    except SourceError as error:
        raise SourceError(f"{row.partition}: {error}") from error
    return replace(row, published=rows, sha256=fetched.sha256, is_sample=generated)


def _store(row: RunRow, fetched: Fetched, lake: Lake) -> Landing:
    partition = row.partition
    suffix = fetched.path.name.removeprefix(partition.file_stem)
    landing = landing_of(fetched, row.published, lake_paths.raw(partition, fetched.sha256, suffix))
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
