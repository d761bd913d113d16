"""What the comparison says of a month, by what each store says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nyc_tlc.core.audit.compare import findings
from nyc_tlc.core.audit.evidence import (
    Evidence,
    LakeWarehouseSays,
    RecordPaths,
    SourceAnswer,
    StoredFile,
    TableScan,
    Unreadable,
)
from nyc_tlc.core.audit.findings import KINDS, Finding, Remedy
from nyc_tlc.core.audit.verdicts import (
    AuditedMonth,
    Verdict,
    after_repair,
    audited,
    remedies,
    unseen,
)
from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.lake.records import Landing, Manifest, StoredObject, Superseded, WarehouseLoad
from nyc_tlc.core.month import Month

MONTH = Partition(GREEN, Month(2024, 1))
SHA = "a" * 64
RAW = f"raw/service=green/year=2024/month=01/{SHA}.parquet"
LOADED_AT = datetime(2024, 3, 5, tzinfo=UTC)


def _stored(path: str, **other: object) -> StoredObject:
    said = {"path": path, "bytes": 100, "generation": 7, "crc32c": "AAAAAA=="}
    return StoredObject.model_validate({**said, **other})


LANDING = Landing(
    source_uri="https://example.org/green_tripdata_2024-01.parquet", etag='"1"',
    last_modified=None, bytes=1000, sha256=SHA, rows=10, raw=RAW,
)  # fmt: skip
COUNTS = Counts(
    published=10, accepted=8, quarantined=2, by_reason={"pickup_missing": 2}, by_flag={},
    first_pickup=None, last_pickup=None,
)  # fmt: skip
MANIFEST = Manifest(
    service="green", month="2024-01", contract=MONTH.contract_id, vintage="2023-02",
    landing=LANDING, counts=COUNTS, objects=(_stored("trips"), _stored("quarantine")),
    superseded=(), run="run", published_at=LOADED_AT,
)  # fmt: skip
ENTRY = LedgerEntry(
    MONTH, Content(SHA, MONTH.contract_id), published=10, accepted=8, quarantined=2, run="run",
    loaded_at=LOADED_AT, reconciled_at=LOADED_AT, seconds=1.5,
)  # fmt: skip
SOUND = Evidence(
    partition=MONTH,
    paths=RecordPaths("landing", "manifest"),
    landing=LANDING,
    manifest=MANIFEST,
    raw={RAW: _stored(RAW, bytes=1000)},
    files={
        "trips": StoredFile(_stored("trips"), 8),
        "quarantine": StoredFile(_stored("quarantine"), 2),
    },
    ledger=ENTRY,
    scan=TableScan(8, 0),
    quarantined=2,
)
NOTHING = Evidence(MONTH, RecordPaths("landing", "manifest"))


def _codes(evidence: Evidence) -> list[str]:
    return [finding.code for finding in findings(evidence)]


@pytest.mark.parametrize(
    "evidence", [SOUND, NOTHING, replace(SOUND, source=SourceAnswer.UNCHANGED)]
)
def test_nothing_is_found_where_nothing_is_wrong(evidence: Evidence) -> None:
    assert _codes(evidence) == []


def _file(**other: object) -> StoredFile:
    return StoredFile(_stored("trips", **other), 8)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (_file(bytes=99), "99 bytes, expected 100"),
        (_file(generation=8), "generation 8, expected 7"),
        (_file(generation=8, crc32c=""), "generation 8, expected 7"),
        (_file(crc32c="BBBBBB=="), "CRC-32C BBBBBB==, expected AAAAAA=="),
        (replace(_file(crc32c=""), crc32c="BBBBBB=="), "CRC-32C BBBBBB==, expected AAAAAA=="),
        (replace(_file(), rows=Unreadable("no footer")), "no footer"),
    ],
)
def test_another_file_than_the_manifest_names_is_tampered(said: StoredFile, expected: str) -> None:
    (finding,) = findings(replace(SOUND, files={**SOUND.files, "trips": said}))
    assert (finding.code, finding.place, finding.detail) == ("lake_tampered", "trips", expected)


def test_a_folder_that_knows_no_checksum_is_trusted_by_size_and_time() -> None:
    assert _codes(replace(SOUND, files={**SOUND.files, "trips": _file(crc32c="")})) == []


def test_a_month_of_which_only_raw_objects_are_left_is_not_wrong() -> None:
    assert _codes(replace(NOTHING, raw=SOUND.raw)) == ["raw_unreferenced"]


def test_the_version_that_the_stores_hold_is_not_superseded_by_one_landed_later() -> None:
    other = f"raw/service=green/year=2024/month=01/{'b' * 64}.parquet"
    newer = LANDING.model_copy(update={"sha256": "b" * 64, "raw": other})
    evidence = replace(SOUND, landing=newer, raw={**SOUND.raw, other: _stored(other, bytes=1000)})
    assert _codes(evidence) == ["revision_not_loaded"]
    assert _codes(replace(evidence, raw={other: _stored(other, bytes=1000)})) == [
        "superseded_missing", "revision_not_loaded",
    ]  # fmt: skip


def test_a_table_without_any_record_is_missing_from_the_ledger() -> None:
    evidence = replace(NOTHING, scan=TableScan(8, 0))
    assert _codes(evidence) == ["landing_missing", "manifest_missing", "ledger_missing"]


def test_a_manifest_of_one_object_is_no_whole_manifest() -> None:
    short = MANIFEST.model_copy(update={"objects": MANIFEST.objects[:1]})
    assert _codes(replace(SOUND, manifest=short)) == ["manifest_inconsistent"]


def test_stale_contract_is_found_in_both_records() -> None:
    ledger = replace(ENTRY, content=Content(SHA, "green/0"))
    old = MANIFEST.model_copy(update={"contract": "green/0"})
    found = findings(replace(SOUND, ledger=ledger, manifest=old))
    assert [(finding.code, finding.place) for finding in found] == [
        ("contract_stale", "manifest"), ("contract_stale", "ledger"),
    ]  # fmt: skip


LOAD = WarehouseLoad(
    service="green", month="2024-01", warehouse="project.tlc", contract=MANIFEST.contract,
    sha256=SHA, objects=MANIFEST.objects, jobs=(), run="run", loaded_at=LOADED_AT,
    reconciled_at=LOADED_AT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (LakeWarehouseSays("record", LOAD, (8, 2)), []),
        (LakeWarehouseSays("record", None, None), ["bigquery_missing"]),
        (LakeWarehouseSays("record", LOAD, None), ["bigquery_missing"]),
        (LakeWarehouseSays("record", Unreadable("cut"), None), ["bigquery_unreadable"]),
        (LakeWarehouseSays("record", LOAD, (8, 1)), ["bigquery_rows"]),
        (
            LakeWarehouseSays("record", LOAD.model_copy(update={"sha256": "b" * 64}), (7, 2)),
            ["bigquery_differs", "bigquery_rows"],
        ),
        (
            LakeWarehouseSays("record", LOAD.model_copy(update={"reconciled_at": None}), (8, 2)),
            ["not_reconciled"],
        ),
    ],
)
def test_bigquery_is_held_against_the_manifest(said: LakeWarehouseSays, codes: list[str]) -> None:
    assert _codes(replace(SOUND, bigquery=said)) == codes
    assert _codes(replace(NOTHING, bigquery=said)) == []


def test_every_kind_has_its_sentence_and_its_remedy() -> None:
    assert all(code == kind.code for code, kind in KINDS.items())
    assert all(kind.sentence[-1] not in ".!" for kind in KINDS.values())
    assert {kind.remedy for kind in KINDS.values()} == set(Remedy)


def test_a_finding_names_month_place_and_difference() -> None:
    (finding,) = findings(replace(SOUND, scan=TableScan(5, 0)))
    assert str(finding) == (
        "green 2024-01: table_rows: The month's table has other rows than the ledger says "
        "(green_2024_01: 5 rows, expected 8)"
    )


def test_a_finding_says_why_its_repair_failed_and_no_more_than_it_knows() -> None:
    sentence = "object_orphan: No record refers to this object"
    assert str(Finding("object_orphan", None, "a")) == f"{sentence} (a)"
    assert str(Finding("object_orphan", None, "a", trouble="no right")) == (
        f"{sentence} (a). The repair failed: no right"
    )


def test_repaired_is_what_is_found_no_more() -> None:
    gone, left = Finding("raw_missing", MONTH, "a"), Finding("lake_rows", MONTH, "b", "5 rows")
    note, new = Finding("raw_unreferenced", MONTH, "c"), Finding("table_orphan", None, "d")
    after = (replace(left, detail="4 rows"), new)
    outcome = after_repair((gone, left, note), after, {MONTH: "no room"})
    assert outcome == (
        replace(gone, repaired=True), replace(left, trouble="no room"), note, new,
    )  # fmt: skip
    assert [finding.is_open for finding in outcome] == [False, True, False, True]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((), Verdict.PROVED),
        ((Finding("raw_unreferenced", MONTH, "a"),), Verdict.PROVED),
        ((Finding("raw_missing", MONTH, "a", repaired=True),), Verdict.REPAIRED),
        ((Finding("raw_missing", MONTH, "a", repaired=True), Finding("lake_rows", MONTH, "b")),
         Verdict.WRONG),
    ],
)  # fmt: skip
def test_verdict_is_the_worst_of_the_findings(found: tuple[Finding, ...], verdict: Verdict) -> None:
    month = audited(SOUND, found)
    assert month.verdict is verdict
    assert (month.accepted, month.raw_bytes, month.lake_bytes, month.seconds) == (8, 1000, 200, 1.5)


def test_an_audited_month_has_the_figures_of_its_manifest_and_the_time_of_its_load() -> None:
    counts = COUNTS.model_copy(update={"by_day": {"2024-01-31": 8}})
    manifest = MANIFEST.model_copy(update={"counts": counts})
    expected = AuditedMonth(
        MONTH, Verdict.PROVED, published=10, accepted=8, quarantined=2,
        by_reason={"pickup_missing": 2}, by_day={"2024-01-31": 8}, raw_bytes=1000, lake_bytes=200,
        seconds=1.5, loaded_at=LOADED_AT,
    )  # fmt: skip
    evidence = replace(SOUND, manifest=manifest)
    assert audited(evidence, ()) == expected
    untimed = replace(expected, seconds=None, loaded_at=None)
    assert audited(replace(evidence, ledger=None), ()) == untimed
    blank = AuditedMonth(MONTH, Verdict.PROVED)
    assert audited(replace(SOUND, manifest=Unreadable("cut")), ()) == blank
    assert audited(NOTHING, ()) == AuditedMonth(MONTH, Verdict.NOT_LOADED)


@pytest.mark.parametrize(
    ("is_due", "verdict"), [(True, Verdict.NOT_LOADED), (False, Verdict.NOT_PUBLISHED)]
)
def test_a_month_of_which_nothing_is_anywhere(is_due: bool, verdict: Verdict) -> None:
    assert unseen(MONTH, is_due=is_due) == AuditedMonth(MONTH, verdict)


def test_what_a_repair_brought_up_says_why_it_could_not_be_repaired() -> None:
    new = Finding("lake_rows", MONTH, "a")
    elsewhere = Finding("table_orphan", None, "b")
    assert after_repair((), (new, elsewhere), {MONTH: "no room"}) == (
        replace(new, trouble="no room"), elsewhere,
    )  # fmt: skip
    other = replace(new, partition=Partition(GREEN, Month(2024, 2)))
    assert after_repair((other,), (other,), {MONTH: "no room"}) == (other,)


def test_what_is_open_is_told_by_its_remedy() -> None:
    load, fetch = Finding("lake_rows", MONTH, "a"), Finding("raw_missing", MONTH, "b")
    done, note = replace(load, repaired=True), Finding("raw_unreferenced", MONTH, "c")
    assert remedies([load, done, fetch, note]) == {
        Remedy.LOAD: (load,), Remedy.FETCH: (fetch,), Remedy.REMOVE: (), Remedy.OPERATOR: (),
        Remedy.NONE: (),
    }  # fmt: skip


OTHER = "b" * 64
OTHER_RAW = f"raw/service=green/year=2024/month=01/{OTHER}.parquet"
SUPERSEDED = Superseded(sha256=OTHER, raw=OTHER_RAW, contract=MANIFEST.contract)


def _counted(**other: object) -> Manifest:
    return MANIFEST.model_copy(update={"counts": COUNTS.model_copy(update=other)})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"landing": Unreadable("cut")}, ("landing_unreadable", "landing", "cut")),
        ({"landing": None}, ("landing_missing", "landing", "")),
        ({"raw": {}}, ("raw_missing", RAW, "")),
        (
            {"raw": {RAW: _stored(RAW, bytes=1001)}},
            ("raw_tampered", RAW, "1,001 bytes, expected 1,000"),
        ),
        (
            {"digests": {RAW: OTHER}},
            ("raw_tampered", RAW, "SHA-256 bbbbbbbbbbbb…, expected aaaaaaaaaaaa…"),
        ),
        (
            {"manifest": MANIFEST.model_copy(update={"superseded": (SUPERSEDED,)})},
            ("superseded_missing", OTHER_RAW, ""),
        ),
        (
            {
                "manifest": MANIFEST.model_copy(update={"superseded": (SUPERSEDED,)}),
                "raw": {**SOUND.raw, OTHER_RAW: _stored(OTHER_RAW)},
                "digests": {OTHER_RAW: "c" * 64},
            },
            ("superseded_tampered", OTHER_RAW, "SHA-256 cccccccccccc…"),
        ),
        (
            {
                "raw": {**SOUND.raw, OTHER_RAW: _stored(OTHER_RAW)},
                "digests": {OTHER_RAW: OTHER},
            },
            ("raw_unreferenced", OTHER_RAW, ""),
        ),
        ({"manifest": Unreadable("cut")}, ("manifest_unreadable", "manifest", "cut")),
        ({"manifest": None}, ("manifest_missing", "manifest", "")),
        (
            {"manifest": _counted(by_reason={"pickup_missing": 1000})},
            (
                "manifest_inconsistent",
                "manifest",
                "10 published, 8 accepted, 2 quarantined, 1,000 by reason",
            ),
        ),
        (
            {"manifest": MANIFEST.model_copy(update={"objects": MANIFEST.objects[:1]})},
            ("manifest_inconsistent", "manifest", "1 objects, expected trips and quarantine"),
        ),
        (
            {
                "landing": LANDING.model_copy(update={"sha256": OTHER, "raw": OTHER_RAW}),
                "raw": {**SOUND.raw, OTHER_RAW: _stored(OTHER_RAW, bytes=1000)},
            },
            ("revision_not_loaded", "manifest", "bbbbbbbbbbbb… landed, aaaaaaaaaaaa… loaded"),
        ),
        (
            {"ledger": replace(ENTRY, content=Content(SHA, "green/0"))},
            ("contract_stale", "ledger", f"green/0, expected {MONTH.contract_id}"),
        ),
        ({"files": {"trips": SOUND.files["trips"]}}, ("lake_missing", "quarantine", "")),
        (
            {"files": {**SOUND.files, "trips": StoredFile(_stored("trips"), 1234)}},
            ("lake_rows", "trips", "1,234 rows, expected 8"),
        ),
        ({"ledger": None}, ("ledger_missing", "ledger", "")),
        (
            {"ledger": replace(ENTRY, content=Content(OTHER, MONTH.contract_id))},
            (
                "ledger_differs",
                "ledger",
                "content bbbbbbbbbbbb…, the manifest says aaaaaaaaaaaa…",
            ),
        ),
        (
            {"ledger": replace(ENTRY, published=1234)},
            ("ledger_differs", "ledger", "1,234 published, the manifest says 10"),
        ),
        (
            {"ledger": replace(ENTRY, reconciled_at=None)},
            ("not_reconciled", "ledger", ""),
        ),
        ({"scan": None}, ("table_missing", "green_2024_01", "")),
        ({"scan": TableScan(1234, 0)}, ("table_rows", "green_2024_01", "1,234 rows, expected 8")),
        ({"scan": TableScan(8, 1234)}, ("table_altered", "green_2024_01", "1,234 rows")),
        (
            {"quarantined": 1234},
            ("quarantine_rows", "quarantine", "1,234 rows of green 2024-01, expected 2"),
        ),
        (
            {"source": SourceAnswer.REVISED},
            ("source_revised", LANDING.source_uri, ""),
        ),
        ({"source": SourceAnswer.ABSENT}, ("source_absent", LANDING.source_uri, "")),
    ],
)
def test_every_difference_is_told_with_its_place_and_both_sides(
    said: dict[str, object], expected: tuple[str, str, str]
) -> None:
    code, place, detail = expected
    assert findings(replace(SOUND, **said)) == (Finding(code, MONTH, place, detail),)


def test_a_kept_csv_is_known_by_its_name_less_both_suffixes() -> None:
    path = f"raw/service=green/year=2024/month=01/{OTHER}.csv.gz"
    evidence = replace(SOUND, raw={**SOUND.raw, path: _stored(path)}, digests={path: OTHER})
    assert _codes(evidence) == ["raw_unreferenced"]


def test_every_count_that_the_ledger_has_otherwise_is_told() -> None:
    ledger = replace(ENTRY, accepted=7, quarantined=1)
    evidence = replace(SOUND, ledger=ledger, scan=TableScan(7, 0), quarantined=1)
    (finding,) = findings(evidence)
    assert finding.detail == ("7 accepted, the manifest says 8, 1 quarantined, the manifest says 2")


@pytest.mark.parametrize(
    ("said", "code", "detail"),
    [
        ((None, None), "bigquery_missing", "no record"),
        ((LOAD, None), "bigquery_missing", "its tables are gone, or were made anew"),
        ((Unreadable("cut"), (8, 2)), "bigquery_unreadable", "cut"),
        (
            (LOAD, (1234, 2)),
            "bigquery_rows",
            "1,234 accepted and 2 quarantined, expected 8 and 2",
        ),
        ((LOAD.model_copy(update={"contract": "green/0"}), (8, 2)), "bigquery_differs", ""),
        ((LOAD.model_copy(update={"reconciled_at": None}), (8, 2)), "not_reconciled", ""),
    ],
)
def test_what_bigquery_has_otherwise_is_told_of_its_record(
    said: tuple[WarehouseLoad | Unreadable | None, tuple[int, int] | None], code: str, detail: str
) -> None:
    evidence = replace(SOUND, bigquery=LakeWarehouseSays("record", *said))
    assert findings(evidence) == (Finding(code, MONTH, "record", detail),)


def test_a_month_that_was_only_landed_is_not_loaded() -> None:
    evidence = replace(NOTHING, landing=LANDING, raw=SOUND.raw)
    assert findings(evidence) == (Finding("not_loaded", MONTH, "manifest"),)
    assert _codes(replace(evidence, quarantined=2)) == [
        "manifest_missing", "ledger_missing", "quarantine_rows",
    ]  # fmt: skip
    assert _codes(replace(NOTHING, quarantined=2, landing=Unreadable("cut"))) == [
        "landing_unreadable", "manifest_missing", "ledger_missing", "quarantine_rows",
    ]  # fmt: skip


def test_a_damaged_record_hides_no_other_finding_and_makes_none() -> None:
    damaged = replace(SOUND, manifest=Unreadable("cut"), landing=Unreadable("cut"))
    assert _codes(damaged) == ["landing_unreadable", "raw_unreferenced", "manifest_unreadable"]
    bigquery = LakeWarehouseSays("record", LOAD, (7, 2))
    assert _codes(replace(damaged, bigquery=bigquery, source=SourceAnswer.REVISED)) == _codes(
        damaged
    )
