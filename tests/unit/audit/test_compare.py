"""What the comparison says of a month, by what each store says of it."""

from dataclasses import replace

import pytest

from nyc_tlc.core.audit.compare import findings
from nyc_tlc.core.audit.evidence import (
    Evidence,
    LakeWarehouseSays,
    SourceAnswer,
    StoredFile,
    TableScan,
    Unreadable,
)
from nyc_tlc.core.audit.findings import KINDS, Finding, Remedy, repair_plan
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, Superseded, WarehouseLoad
from tests.repository import ascii_id
from tests.unit.records import COUNTS, LANDING, LOADED_AT, MANIFEST, MONTH, RAW, SHA, stored

OTHER = "b" * 64
OTHER_RAW = lake_paths.raw(MONTH, OTHER, ".parquet")
LANDED, COMMIT = lake_paths.landing(MONTH), lake_paths.manifest(MONTH)


ENTRY = LedgerEntry(
    MONTH, Content(SHA, MONTH.contract_id), published=10, accepted=8, quarantined=2, run="run",
    loaded_at=LOADED_AT, reconciled_at=LOADED_AT, seconds=1.5,
)  # fmt: skip
LOAD = WarehouseLoad(
    service="green", month="2024-01", warehouse="project.tlc", contract=MANIFEST.contract,
    sha256=SHA, objects=MANIFEST.objects, jobs=(), run="run", loaded_at=LOADED_AT,
    reconciled_at=LOADED_AT,
)  # fmt: skip
SOUND = Evidence(
    partition=MONTH,
    landing=LANDING,
    manifest=MANIFEST,
    raw={RAW: stored(RAW, bytes=1000)},
    files={
        "trips": StoredFile(stored("trips"), 8),
        "quarantine": StoredFile(stored("quarantine"), 2),
    },
    ledger=ENTRY,
    scan=TableScan(8, 0),
    quarantined=2,
    bigquery=LakeWarehouseSays("record", LOAD, (8, 2)),
)
NOTHING = Evidence(MONTH)
SUPERSEDED = Superseded(sha256=OTHER, raw=OTHER_RAW, contract=MANIFEST.contract)
OTHER_CSV = lake_paths.raw(MONTH, OTHER, ".csv.gz")
NEWER = LANDING.model_copy(update={"sha256": OTHER, "raw": OTHER_RAW})
STORED = stored(OTHER_RAW, bytes=1000)
"""Of another version than the one that was loaded."""


def _manifest(**other: object) -> Manifest:
    return MANIFEST.model_copy(update=other)


def _counted(**other: object) -> Manifest:
    return _manifest(counts=COUNTS.model_copy(update=other))


def _trips(rows: int | Unreadable = 8, crc32c: str | None = None, **other: object) -> object:
    return {**SOUND.files, "trips": StoredFile(stored("trips", **other), rows, crc32c)}


def _bigquery(load: WarehouseLoad | Unreadable | None, *rows: int) -> LakeWarehouseSays:
    return LakeWarehouseSays("record", load, (rows[0], rows[1]) if rows else None)


def _load(**other: object) -> WarehouseLoad:
    return LOAD.model_copy(update=other)


DIFFERENCES: dict[str, dict[str, object]] = {
    f"landing_unreadable {LANDED}: cut": {
        "landing": Unreadable("cut"),
        "source": SourceAnswer.REVISED,
    },
    f"landing_missing {LANDED}": {"landing": None},
    f"raw_missing {RAW}": {"raw": {}},
    f"raw_tampered {RAW}: 1,001 bytes, expected 1,000": {"raw": {RAW: stored(RAW, bytes=1001)}},
    f"raw_tampered {RAW}: SHA-256 bbbbbbbbbbbb…, expected aaaaaaaaaaaa…": {"digests": {RAW: OTHER}},
    f"superseded_missing {OTHER_RAW}": {"manifest": _manifest(superseded=(SUPERSEDED,))},
    f"superseded_tampered {OTHER_RAW}: SHA-256 cccccccccccc…": {
        "manifest": _manifest(superseded=(SUPERSEDED,)),
        "raw": {**SOUND.raw, OTHER_RAW: STORED},
        "digests": {OTHER_RAW: "c" * 64},
    },
    f"raw_unreferenced {OTHER_RAW}": {
        "raw": {**SOUND.raw, OTHER_RAW: STORED},
        "digests": {OTHER_RAW: OTHER},
    },
    f"raw_unreferenced {OTHER_CSV}": {
        "raw": {**SOUND.raw, OTHER_CSV: STORED},
        "digests": {OTHER_CSV: OTHER},
    },
    f"manifest_unreadable {COMMIT}: cut": {"manifest": Unreadable("cut")},
    f"manifest_missing {COMMIT}": {"manifest": None},
    f"manifest_inconsistent {COMMIT}: 10 published, 8 accepted, 2 quarantined, 1,000 by reason": {
        "manifest": _counted(by_reason={"pickup_missing": 1000})
    },
    f"manifest_inconsistent {COMMIT}: 1,011 published, 8 accepted, 2 quarantined, 2 by reason": {
        "manifest": _counted(published=1011),
        "ledger": replace(ENTRY, published=1011),
    },
    f"manifest_inconsistent {COMMIT}: 1 objects, expected trips and quarantine": {
        "manifest": _manifest(objects=MANIFEST.objects[:1]),
        "bigquery": _bigquery(_load(objects=MANIFEST.objects[:1]), 8, 2),
    },
    f"revision_not_loaded {COMMIT}: bbbbbbbbbbbb… landed, aaaaaaaaaaaa… loaded": {
        "landing": NEWER,
        "raw": {**SOUND.raw, OTHER_RAW: STORED},
    },
    f"contract_stale ledger: green/0, expected {MONTH.contract_id}": {
        "ledger": replace(ENTRY, content=Content(SHA, "green/0"))
    },
    f"contract_stale {COMMIT}: green/0, expected {MONTH.contract_id}": {
        "manifest": _manifest(contract="green/0"),
        "bigquery": _bigquery(_load(contract="green/0"), 8, 2),
    },
    f"zones_outdated {COMMIT}: {'a' * 12}…, the newest are {'b' * 12}…": {
        "manifest": _manifest(zone_polygons=SHA),
        "polygons": OTHER,
    },
    "lake_missing quarantine": {"files": {"trips": SOUND.files["trips"]}},
    "lake_rows trips: 1,234 rows, expected 8": {"files": _trips(1234)},
    "lake_tampered trips: 9,900 bytes, expected 100": {"files": _trips(bytes=9900)},
    "lake_tampered trips: generation 8, expected 7": {"files": _trips(generation=8)},
    "lake_tampered trips: generation 9, expected 7": {"files": _trips(generation=9, crc32c="")},
    "lake_tampered trips: CRC-32C BBBBBB==, expected AAAAAA==": {
        "files": {**SOUND.files, "trips": StoredFile(stored("trips", crc32c="BBBBBB=="), 8)}
    },
    "lake_tampered trips: CRC-32C CCCCCC==, expected AAAAAA==": {"files": _trips(8, "CCCCCC==")},
    "lake_tampered trips: no footer": {"files": _trips(Unreadable("no footer"))},
    "ledger_missing ledger": {"ledger": None},
    "ledger_differs ledger: content bbbbbbbbbbbb…, the manifest says aaaaaaaaaaaa…": {
        "ledger": replace(ENTRY, content=Content(OTHER, MONTH.contract_id))
    },
    "ledger_differs ledger: 1,234 published, the manifest says 10": {
        "ledger": replace(ENTRY, published=1234)
    },
    "ledger_differs ledger: 7 accepted, the manifest says 8, 1 quarantined, the manifest says 2": {
        "ledger": replace(ENTRY, accepted=7, quarantined=1),
        "scan": TableScan(7, 0),
        "quarantined": 1,
    },
    "not_reconciled ledger": {"ledger": replace(ENTRY, reconciled_at=None)},
    "table_missing green_2024_01": {"scan": None},
    "table_rows green_2024_01: 1,234 rows, expected 8": {"scan": TableScan(1234, 0)},
    "table_altered green_2024_01: 1,234 rows": {"scan": TableScan(8, 1234)},
    "quarantine_rows quarantine: 1,234 rows of green 2024-01, expected 2": {"quarantined": 1234},
    "bigquery_missing record: no record": {"bigquery": _bigquery(None)},
    "bigquery_missing record: its tables are gone, or were created again": {
        "bigquery": _bigquery(LOAD)
    },
    "bigquery_unreadable record: cut": {"bigquery": _bigquery(Unreadable("cut"), 8, 2)},
    "bigquery_rows record: 1,234 accepted and 2 quarantined, expected 8 and 2": {
        "bigquery": _bigquery(LOAD, 1234, 2)
    },
    "bigquery_rows record: 8 accepted and 1 quarantined, expected 8 and 2": {
        "bigquery": _bigquery(LOAD, 8, 1)
    },
    "bigquery_differs record": {"bigquery": _bigquery(_load(contract="green/0"), 8, 2)},
    "not_reconciled record": {"bigquery": _bigquery(_load(reconciled_at=None), 8, 2)},
    "table_values green_2024_01: fare_amount, extra": {
        "other_values": {"table_values": ("fare_amount", "extra")}
    },
    "quarantine_values quarantine: reason": {"other_values": {"quarantine_values": ("reason",)}},
    "bigquery_values record: quarantine.reason": {
        "other_values": {"bigquery_values": ("quarantine.reason",)}
    },
    f"source_revised {LANDING.source_uri}": {"source": SourceAnswer.REVISED},
    f"source_absent {LANDING.source_uri}": {"source": SourceAnswer.ABSENT},
}


@pytest.mark.parametrize(("expected", "said"), DIFFERENCES.items(), ids=map(ascii_id, DIFFERENCES))
def test_every_difference_is_reported_with_its_place_and_both_sides(said, expected):
    (finding,) = findings(replace(SOUND, **said))
    assert finding.partition == MONTH
    assert f"{finding.code} {finding.place}: {finding.detail}".removesuffix(": ") == expected


@pytest.mark.parametrize(
    ("evidence", "codes"),
    [
        (SOUND, []),
        (replace(SOUND, bigquery=None, source=SourceAnswer.UNCHANGED), []),
        # A folder knows no checksum: it is trusted by size and time.
        (replace(SOUND, files=_trips(crc32c="")), []),
        (NOTHING, []),
        (replace(NOTHING, bigquery=_bigquery(LOAD, 7, 2)), []),
        (replace(NOTHING, raw=SOUND.raw), ["raw_unreferenced"]),
        (replace(NOTHING, landing=LANDING, raw=SOUND.raw), ["not_loaded"]),
        (replace(NOTHING, landing=LANDING, raw=SOUND.raw, quarantined=2),
         ["manifest_missing", "ledger_missing", "quarantine_rows"]),
        (replace(NOTHING, landing=Unreadable("cut"), quarantined=2),
         ["landing_unreadable", "manifest_missing", "ledger_missing", "quarantine_rows"]),
        (replace(NOTHING, scan=TableScan(8, 0)),
         ["landing_missing", "manifest_missing", "ledger_missing"]),
        # No record but those tells of the month: others chose our names.
        (replace(NOTHING, manifest=Unreadable("cut")), ["object_foreign"]),
        (replace(NOTHING, landing=Unreadable("cut")), ["object_foreign"]),
        (replace(NOTHING, manifest=Unreadable("cut"), raw=SOUND.raw),
         ["landing_missing", "raw_unreferenced", "manifest_unreadable"]),
        # The version that the stores hold is not superseded by one landed later.
        (replace(SOUND, landing=NEWER, raw={OTHER_RAW: STORED}),
         ["superseded_missing", "revision_not_loaded"]),
        # A damaged record hides no other finding and makes none.
        (replace(SOUND, manifest=Unreadable("cut"), landing=Unreadable("cut")),
         ["landing_unreadable", "raw_unreferenced", "manifest_unreadable"]),
        (replace(SOUND, files={}), ["lake_missing", "lake_missing"]),
        (replace(SOUND, bigquery=_bigquery(_load(sha256=OTHER), 7, 2)),
         ["bigquery_differs", "bigquery_rows"]),
    ],
)  # fmt: skip
def test_what_is_found_together(evidence, codes):
    assert [finding.code for finding in findings(evidence)] == codes


def test_every_kind_has_its_sentence_and_its_remedy():
    assert all(code == kind.code for code, kind in KINDS.items())
    assert all(kind.sentence[-1] not in ".!" for kind in KINDS.values())
    assert {kind.remedy for kind in KINDS.values()} == set(Remedy)
    assert {code for code, kind in KINDS.items() if kind.discard} == {
        "landing_unreadable", "manifest_unreadable", "bigquery_unreadable",
    }  # fmt: skip


def test_a_finding_says_what_it_knows():
    sentence = "staging_orphan: A run that died more than a day ago left this"
    finding = Finding("staging_orphan", None, "a")
    assert str(finding) == f"{sentence} (a)"
    assert str(replace(finding, trouble="no right")) == (
        f"{sentence} (a). The repair failed: no right"
    )
    assert str(replace(finding, partition=MONTH, detail="5 bytes")) == (
        f"green 2024-01: {sentence} (a: 5 bytes)"
    )


def test_a_repair_is_planned_for_what_is_wrong_only():
    found = [
        Finding("lake_rows", MONTH, "a"), Finding("manifest_unreadable", MONTH, "b"),
        Finding("raw_missing", MONTH, "c"), Finding("staging_orphan", MONTH, "d"),
        Finding("table_foreign", MONTH, "e"), Finding("superseded_missing", MONTH, "f"),
        Finding("lake_rows", None, "g"), Finding("table_orphan", None, "h", repaired=True),
    ]  # fmt: skip
    assert repair_plan(found) == [
        "remove b", "remove d",
        f"load {MONTH} again from raw/", f"load {MONTH} again from the source",
    ]  # fmt: skip
