"""Hold what the stores say of a month against each other. The manifest is the commit record."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from nyc_tlc.core.audit.evidence import Evidence, SourceAnswer, StoredFile, Unreadable
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, StoredObject

_Found = Iterator[tuple[str, str, str]]
"""Code, place and detail of each finding."""


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """Everything that is wrong, or worth knowing, about one month."""
    checks = (
        _landing, _raw, _kept, _manifest, _files, _ledger, _table, _bigquery, _values, _source,
    )  # fmt: skip
    return tuple(
        Finding(code, evidence.partition, place, detail)
        for check in checks
        for code, place, detail in check(evidence)
    )


def _landing(evidence: Evidence) -> _Found:
    place = lake_paths.landing(evidence.partition)
    if isinstance(evidence.landing, Unreadable):
        yield _unreadable("landing", evidence), place, evidence.landing.reason
    elif (
        evidence.landing is None
        and evidence.is_recorded
        and (evidence.manifest or evidence.is_held)
    ):
        yield "landing_missing", place, ""


def _unreadable(record: str, evidence: Evidence) -> str:
    """Ours and damaged, or of others who chose our name."""
    return f"{record}_unreadable" if evidence.is_recorded else "object_foreign"


def _raw(evidence: Evidence) -> _Found:
    """The version landed last."""
    landing = evidence.landed
    if landing is None:
        return
    stored = evidence.raw.get(landing.raw)
    digest = evidence.digests.get(landing.raw, landing.sha256)
    if stored is None:
        yield "raw_missing", landing.raw, ""
    elif stored.bytes != landing.bytes:
        yield "raw_tampered", landing.raw, f"{stored.bytes:,} bytes, expected {landing.bytes:,}"
    elif digest != landing.sha256:
        detail = f"SHA-256 {digest[:12]}…, expected {landing.sha256[:12]}…"
        yield "raw_tampered", landing.raw, detail


def _kept(evidence: Evidence) -> _Found:
    """The versions before it, which are kept."""
    landing, manifest = evidence.landed, evidence.committed
    current = {landing.raw} if landing else set()
    named = {version.raw for version in manifest.superseded} if manifest else set()
    named |= {manifest.landing.raw} if manifest else set()
    for path in sorted(named - current - set(evidence.raw)):
        yield "superseded_missing", path, ""
    for path in sorted(set(evidence.raw) - current):
        name = PurePosixPath(path).name.partition(".")[0]
        digest = evidence.digests.get(path, name)
        if digest != name:
            yield "superseded_tampered", path, f"SHA-256 {digest[:12]}…"
        if path not in named:
            yield "raw_unreferenced", path, ""


def _manifest(evidence: Evidence) -> _Found:
    place, manifest = lake_paths.manifest(evidence.partition), evidence.manifest
    if isinstance(manifest, Unreadable):
        yield _unreadable("manifest", evidence), place, manifest.reason
    elif manifest is not None:
        yield from _committed(evidence, manifest, place)
    elif evidence.is_held:
        yield "manifest_missing", place, ""
    elif evidence.landing is not None and evidence.is_recorded:
        yield "not_loaded", place, ""


def _committed(evidence: Evidence, manifest: Manifest, place: str) -> _Found:
    counts, by_reason = manifest.counts, sum(manifest.counts.by_reason.values())
    parts = counts.accepted + counts.quarantined
    if counts.published != parts or by_reason != counts.quarantined:
        detail = (
            f"{counts.published:,} published, {counts.accepted:,} accepted, "
            f"{counts.quarantined:,} quarantined, {by_reason:,} by reason"
        )
        yield "manifest_inconsistent", place, detail
    landing = evidence.landed
    if landing is not None and landing.sha256 != manifest.landing.sha256:
        detail = f"{landing.sha256[:12]}… landed, {manifest.landing.sha256[:12]}… loaded"
        yield "revision_not_loaded", place, detail
    if evidence.polygons not in {None, manifest.zone_polygons}:
        detail = f"{manifest.zone_polygons[:12]}…, the newest are {evidence.polygons[:12]}…"
        yield "zones_outdated", place, detail
    yield from _contract(evidence.partition, manifest.contract, place)


def _contract(partition: Partition, contract: str, place: str) -> _Found:
    if contract != partition.contract_id:
        yield "contract_stale", place, f"{contract}, expected {partition.contract_id}"


def _files(evidence: Evidence) -> _Found:
    manifest = evidence.committed
    if manifest is None:
        return
    rows = (manifest.counts.accepted, manifest.counts.quarantined)
    if len(manifest.objects) != len(rows):
        detail = f"{len(manifest.objects)} objects, expected trips and quarantine"
        yield "manifest_inconsistent", lake_paths.manifest(evidence.partition), detail
    for expected, expected_rows in zip(manifest.objects, rows, strict=False):
        file = evidence.files.get(expected.path)
        if file is None:
            yield "lake_missing", expected.path, ""
            continue
        if difference := _difference(file, expected):
            yield "lake_tampered", expected.path, difference
        if isinstance(file.rows, int) and file.rows != expected_rows:
            yield "lake_rows", expected.path, f"{file.rows:,} rows, expected {expected_rows:,}"


def _difference(file: StoredFile, expected: StoredObject) -> str:
    """What distinguishes a file from the one in the manifest; a folder knows no checksum."""
    stored = file.stored
    if stored.bytes != expected.bytes:
        return f"{stored.bytes:,} bytes, expected {expected.bytes:,}"
    for checksum in (file.crc32c, stored.crc32c):
        if checksum and checksum != expected.crc32c:
            return f"CRC-32C {checksum}, expected {expected.crc32c}"
    if stored.generation != expected.generation:
        return f"generation {stored.generation}, expected {expected.generation}"
    return file.rows.reason if isinstance(file.rows, Unreadable) else ""


def _ledger(evidence: Evidence) -> _Found:
    ledger, manifest = evidence.ledger, evidence.committed
    if ledger is None:
        if manifest or evidence.is_held:
            yield "ledger_missing", "ledger", ""
        return
    if manifest and (difference := _said_differently(ledger, manifest)):
        yield "ledger_differs", "ledger", difference
    if ledger.reconciled_at is None:
        yield "not_reconciled", "ledger", ""
    yield from _contract(evidence.partition, ledger.content.contract, "ledger")


def _said_differently(ledger: LedgerEntry, manifest: Manifest) -> str:
    held, committed = ledger.content.sha256, manifest.content.sha256
    if held != committed:
        return f"content {held[:12]}…, the manifest says {committed[:12]}…"
    counts = manifest.counts
    names = ("published", "accepted", "quarantined")
    return ", ".join(
        f"{getattr(ledger, name):,} {name}, the manifest says {getattr(counts, name):,}"
        for name in names
        if getattr(ledger, name) != getattr(counts, name)
    )


def _table(evidence: Evidence) -> _Found:
    table, scan, manifest = evidence.partition.table_name, evidence.scan, evidence.committed
    expected = evidence.ledger or (manifest.counts if manifest else None)
    if scan is None and evidence.ledger:
        yield "table_missing", table, ""
    if scan is not None and expected is not None and scan.rows != expected.accepted:
        yield "table_rows", table, f"{scan.rows:,} rows, expected {expected.accepted:,}"
    if scan is not None and scan.altered:
        yield "table_altered", table, f"{scan.altered:,} rows"
    quarantined = expected.quarantined if expected else 0
    if evidence.quarantined != quarantined:
        detail = f"{evidence.quarantined:,} rows of {evidence.partition}, expected {quarantined:,}"
        yield "quarantine_rows", "quarantine", detail


def _bigquery(evidence: Evidence) -> _Found:
    said, manifest = evidence.bigquery, evidence.committed
    if said is None or manifest is None:
        return
    if isinstance(said.load, Unreadable):
        yield "bigquery_unreadable", said.record, said.load.reason
    elif said.load is None:
        yield "bigquery_missing", said.record, "no record"
    elif said.rows is None:
        yield "bigquery_missing", said.record, "its tables are gone, or were created again"
    elif not said.load.is_of(manifest):
        yield "bigquery_differs", said.record, ""
    elif said.load.reconciled_at is None:
        yield "not_reconciled", said.record, ""
    expected = (manifest.counts.accepted, manifest.counts.quarantined)
    if said.rows is not None and said.rows != expected:
        (accepted, quarantined), wanted = said.rows, "{:,} and {:,}".format(*expected)
        detail = f"{accepted:,} accepted and {quarantined:,} quarantined, expected {wanted}"
        yield "bigquery_rows", said.record, detail


def _values(evidence: Evidence) -> _Found:
    places = {
        "table_values": evidence.partition.table_name,
        "quarantine_values": "quarantine",
        "bigquery_values": evidence.bigquery.record if evidence.bigquery else "",
    }
    for code, columns in evidence.other_values.items():
        yield code, places[code], ", ".join(columns)


def _source(evidence: Evidence) -> _Found:
    if evidence.landed and evidence.source in {SourceAnswer.REVISED, SourceAnswer.ABSENT}:
        yield f"source_{evidence.source}", evidence.landed.source_uri, ""
