"""Hold what the stores say of a month against each other. The manifest is the commit record."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from nyc_tlc.core.audit.evidence import Evidence, SourceAnswer, StoredFile, Unreadable
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.lake.records import Landing, Manifest, StoredObject


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """Everything that is wrong, or worth knowing, about one month."""
    checks = (_landing, _raw, _kept, _manifest, _files, _ledger, _table, _bigquery, _source)
    return tuple(chain.from_iterable(check(evidence) for check in checks))


def _finding(evidence: Evidence, code: str, place: str, detail: str = "") -> Finding:
    return Finding(code, evidence.partition, place, detail)


def _read_landing(evidence: Evidence) -> Landing | None:
    return None if isinstance(evidence.landing, Unreadable) else evidence.landing


def _read_manifest(evidence: Evidence) -> Manifest | None:
    return None if isinstance(evidence.manifest, Unreadable) else evidence.manifest


def _is_held(evidence: Evidence) -> bool:
    """Whether the warehouse has something of the month."""
    return bool(evidence.ledger or evidence.scan or evidence.quarantined)


def _landing(evidence: Evidence) -> Iterator[Finding]:
    place = evidence.paths.landing
    if isinstance(evidence.landing, Unreadable):
        yield _finding(evidence, "landing_unreadable", place, evidence.landing.reason)
    elif evidence.landing is None and (evidence.manifest or _is_held(evidence)):
        yield _finding(evidence, "landing_missing", place)


def _raw(evidence: Evidence) -> Iterator[Finding]:
    """The version landed last."""
    landing = _read_landing(evidence)
    if landing is None:
        return
    stored = evidence.raw.get(landing.raw)
    digest = evidence.digests.get(landing.raw, landing.sha256)
    if stored is None:
        yield _finding(evidence, "raw_missing", landing.raw)
    elif stored.bytes != landing.bytes:
        detail = f"{stored.bytes:,} bytes, expected {landing.bytes:,}"
        yield _finding(evidence, "raw_tampered", landing.raw, detail)
    elif digest != landing.sha256:
        detail = f"SHA-256 {digest[:12]}…, expected {landing.sha256[:12]}…"
        yield _finding(evidence, "raw_tampered", landing.raw, detail)


def _kept(evidence: Evidence) -> Iterator[Finding]:
    """The versions before it, which are kept."""
    landing, manifest = _read_landing(evidence), _read_manifest(evidence)
    current = {landing.raw} if landing else set()
    named = {version.raw for version in manifest.superseded} if manifest else set()
    named |= {manifest.landing.raw} if manifest else set()
    for path in sorted(named - current - set(evidence.raw)):
        yield _finding(evidence, "superseded_missing", path)
    for path in sorted(set(evidence.raw) - current):
        name = PurePosixPath(path).name.partition(".")[0]
        digest = evidence.digests.get(path, name)
        if digest != name:
            yield _finding(evidence, "superseded_tampered", path, f"SHA-256 {digest[:12]}…")
        if path not in named:
            yield _finding(evidence, "raw_unreferenced", path)


def _manifest(evidence: Evidence) -> Iterator[Finding]:
    place = evidence.paths.manifest
    if isinstance(evidence.manifest, Unreadable):
        yield _finding(evidence, "manifest_unreadable", place, evidence.manifest.reason)
    elif evidence.manifest is None:
        code = "manifest_missing" if _is_held(evidence) else "not_loaded"
        if _is_held(evidence) or evidence.landing is not None:
            yield _finding(evidence, code, place)
    else:
        yield from _committed(evidence, evidence.manifest)


def _committed(evidence: Evidence, manifest: Manifest) -> Iterator[Finding]:
    place, counts = evidence.paths.manifest, manifest.counts
    parts = counts.accepted + counts.quarantined
    if counts.published != parts or sum(counts.by_reason.values()) != counts.quarantined:
        detail = (
            f"{counts.published:,} published, {counts.accepted:,} accepted, "
            f"{counts.quarantined:,} quarantined, {sum(counts.by_reason.values()):,} by reason"
        )
        yield _finding(evidence, "manifest_inconsistent", place, detail)
    landing = _read_landing(evidence)
    if landing is not None and landing.sha256 != manifest.landing.sha256:
        detail = f"{landing.sha256[:12]}… landed, {manifest.landing.sha256[:12]}… loaded"
        yield _finding(evidence, "revision_not_loaded", place, detail)
    yield from _contract(evidence, manifest.contract, place)


def _contract(evidence: Evidence, contract: str, place: str) -> Iterator[Finding]:
    if contract != evidence.partition.contract_id:
        detail = f"{contract}, expected {evidence.partition.contract_id}"
        yield _finding(evidence, "contract_stale", place, detail)


def _files(evidence: Evidence) -> Iterator[Finding]:
    manifest = _read_manifest(evidence)
    if manifest is None:
        return
    rows = (manifest.counts.accepted, manifest.counts.quarantined)
    if len(manifest.objects) != len(rows):
        detail = f"{len(manifest.objects)} objects, expected trips and quarantine"
        yield _finding(evidence, "manifest_inconsistent", evidence.paths.manifest, detail)
    for expected, expected_rows in zip(manifest.objects, rows, strict=False):
        file = evidence.files.get(expected.path)
        if file is None:
            yield _finding(evidence, "lake_missing", expected.path)
        else:
            yield from _file(evidence, file, expected, expected_rows)


def _file(
    evidence: Evidence, file: StoredFile, expected: StoredObject, expected_rows: int
) -> Iterator[Finding]:
    difference = _difference(file, expected)
    if difference:
        yield _finding(evidence, "lake_tampered", expected.path, difference)
    elif isinstance(file.rows, Unreadable):
        yield _finding(evidence, "lake_tampered", expected.path, file.rows.reason)
    if isinstance(file.rows, int) and file.rows != expected_rows:
        detail = f"{file.rows:,} rows, expected {expected_rows:,}"
        yield _finding(evidence, "lake_rows", expected.path, detail)


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
    return ""


def _ledger(evidence: Evidence) -> Iterator[Finding]:
    ledger, manifest = evidence.ledger, _read_manifest(evidence)
    if ledger is None:
        if manifest or evidence.scan or evidence.quarantined:
            yield _finding(evidence, "ledger_missing", "ledger")
        return
    if manifest is not None:
        difference = _said_differently(ledger, manifest)
        if difference:
            yield _finding(evidence, "ledger_differs", "ledger", difference)
    if ledger.reconciled_at is None:
        yield _finding(evidence, "not_reconciled", "ledger")
    yield from _contract(evidence, ledger.content.contract, "ledger")


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


def _table(evidence: Evidence) -> Iterator[Finding]:
    table = evidence.partition.table_name
    manifest = _read_manifest(evidence)
    expected = evidence.ledger or (manifest.counts if manifest else None)
    scan = evidence.scan
    if scan is None and evidence.ledger:
        yield _finding(evidence, "table_missing", table)
    if scan is not None and expected is not None and scan.rows != expected.accepted:
        detail = f"{scan.rows:,} rows, expected {expected.accepted:,}"
        yield _finding(evidence, "table_rows", table, detail)
    if scan is not None and scan.altered:
        yield _finding(evidence, "table_altered", table, f"{scan.altered:,} rows")
    quarantined = expected.quarantined if expected else 0
    if evidence.quarantined != quarantined:
        detail = f"{evidence.quarantined:,} rows of {evidence.partition}, expected {quarantined:,}"
        yield _finding(evidence, "quarantine_rows", "quarantine", detail)


def _bigquery(evidence: Evidence) -> Iterator[Finding]:
    said, manifest = evidence.bigquery, _read_manifest(evidence)
    if said is None or manifest is None:
        return
    if isinstance(said.load, Unreadable):
        yield _finding(evidence, "bigquery_unreadable", said.record, said.load.reason)
    elif said.load is None or said.rows is None:
        detail = "no record" if said.load is None else "its tables are gone, or were made anew"
        yield _finding(evidence, "bigquery_missing", said.record, detail)
    elif not said.load.is_of(manifest):
        yield _finding(evidence, "bigquery_differs", said.record)
    elif said.load.reconciled_at is None:
        yield _finding(evidence, "not_reconciled", said.record)
    expected = (manifest.counts.accepted, manifest.counts.quarantined)
    if said.rows is not None and said.rows != expected:
        detail = (
            f"{said.rows[0]:,} accepted and {said.rows[1]:,} quarantined, expected "
            f"{expected[0]:,} and {expected[1]:,}"
        )
        yield _finding(evidence, "bigquery_rows", said.record, detail)


def _source(evidence: Evidence) -> Iterator[Finding]:
    landing = _read_landing(evidence)
    if landing is None or evidence.source is None:
        return
    if evidence.source is SourceAnswer.REVISED:
        yield _finding(evidence, "source_revised", landing.source_uri)
    elif evidence.source is SourceAnswer.ABSENT:
        yield _finding(evidence, "source_absent", landing.source_uri)
