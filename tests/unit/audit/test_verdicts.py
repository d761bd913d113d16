"""What an audit makes of what was found: verdicts, repairs, the table, and how the run ends."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nyc_tlc.core.audit.evidence import Evidence, Unreadable
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.audit.verdicts import (
    Audit,
    AuditedMonth,
    Verdict,
    after_repair,
    audited,
    require_sound,
    to_frame,
)
from nyc_tlc.core.errors import ReconciliationError
from tests.partitions import named
from tests.unit.audit.test_compare import SOUND
from tests.unit.records import COUNTS, LOADED_AT, MANIFEST, MONTH

OTHER = named("green 2024-02")
RAW, LAKE = Finding("raw_missing", MONTH, "a"), Finding("lake_rows", MONTH, "b", "5 rows")
NOTE, TABLE = Finding("raw_unreferenced", MONTH, "c"), Finding("table_orphan", None, "d")
DONE = replace(RAW, repaired=True)


@pytest.mark.parametrize(
    ("found", "verdict", "is_proved"),
    [
        ((), Verdict.PROVED, True),
        ((NOTE,), Verdict.PROVED, True),
        ((DONE,), Verdict.REPAIRED, True),
        ((DONE, LAKE), Verdict.WRONG, False),
    ],
)
def test_verdict_is_the_worst_of_the_findings(found, verdict, is_proved):
    month = audited(SOUND, found)
    assert (month.verdict, month.is_proved) == (verdict, is_proved)


FULL = AuditedMonth(
    MONTH, Verdict.PROVED, published=10, accepted=8, quarantined=2,
    by_reason={"pickup_missing": 2}, by_day={"2024-01-31": 8}, raw_bytes=1000, lake_bytes=200,
    seconds=1.5, loaded_at=LOADED_AT, is_sample=True,
)  # fmt: skip
_OF_SAMPLE = COUNTS.model_copy(update={"by_day": {"2024-01-31": 8}, "by_flag": {"sample": 8}})
COUNTED = replace(SOUND, manifest=MANIFEST.model_copy(update={"counts": _OF_SAMPLE}))


@pytest.mark.parametrize(
    ("evidence", "month"),
    [
        (COUNTED, FULL),
        (replace(COUNTED, ledger=None), replace(FULL, seconds=None, loaded_at=None)),
        (replace(SOUND, manifest=Unreadable("cut")), AuditedMonth(MONTH, Verdict.PROVED)),
        (Evidence(MONTH), AuditedMonth(MONTH, Verdict.NOT_LOADED)),
        (Evidence(MONTH, landing=Unreadable("cut")), AuditedMonth(MONTH, Verdict.NOT_LOADED)),
        (Evidence(MONTH, quarantined=1), AuditedMonth(MONTH, Verdict.PROVED)),
    ],
)
def test_an_audited_month_has_the_figures_of_its_manifest_and_the_time_of_its_load(evidence, month):
    assert audited(evidence, ()) == month


def test_repaired_is_what_is_found_no_more():
    elsewhere = replace(LAKE, partition=OTHER)
    after = (replace(LAKE, detail="4 rows"), TABLE, elsewhere, replace(RAW, place="new"))
    assert after_repair((RAW, LAKE, NOTE, elsewhere), after, {MONTH: "no room"}) == (
        DONE, replace(LAKE, trouble="no room"), NOTE, elsewhere, TABLE,
        replace(RAW, place="new", trouble="no room"),
    )  # fmt: skip
    assert [finding.is_open for finding in (RAW, DONE, NOTE)] == [True, False, False]


def _audit(months: list[AuditedMonth], findings: list[Finding]) -> Audit:
    at = datetime(2024, 6, 2, tzinfo=UTC)
    return Audit(tuple(months), tuple(findings), at, "gs://lake", {}, "all")


def test_the_table_has_a_row_per_month_and_one_per_finding_of_none():
    large = replace(FULL, verdict=Verdict.WRONG, raw_bytes=12_345_678_901)
    untimed = AuditedMonth(OTHER, Verdict.PROVED)
    stray = Finding("staging_orphan", named("green 2023-01"), "e", repaired=True)
    others = Finding("object_foreign", None, "view mine")
    frame = to_frame(_audit([large, untimed], [LAKE, DONE, TABLE, others, stray]))
    assert frame.to_dict("records") == [
        {
            "service": "green", "month": "2024-01", "verdict": "wrong", "published": 10,
            "accepted": 8, "quarantined": 2, "megabytes": 12_345.679, "seconds": 1.5,
            "sample": True, "wrong": str(LAKE),
            "findings": "lake_rows b; raw_missing (repaired) a",
        },
        _blank(service="green", month="2024-02", verdict="proved"),
        _blank(verdict="wrong", findings="table_orphan d", wrong=str(TABLE)),
        _blank(verdict="left alone", findings="object_foreign view mine"),
        _blank(
            service="green", month="2023-01", verdict="repaired",
            findings="staging_orphan (repaired) e",
        ),
    ]  # fmt: skip
    assert list(to_frame(_audit([], [])).columns) == list(frame.columns)


def _blank(**said: str) -> dict[str, object]:
    counts = dict.fromkeys(("published", "accepted", "quarantined", "megabytes", "seconds"), 0)
    texts = dict.fromkeys(("service", "month", "findings", "wrong"), "")
    return {**texts, "sample": False, **counts, **said}


def test_a_run_ends_with_an_error_that_names_everything_that_is_wrong():
    months = [replace(FULL, verdict=Verdict.WRONG)]
    require_sound(to_frame(_audit(months, [NOTE, DONE])))
    with pytest.raises(ReconciliationError, match=r"^1 thing is wrong in .*:\n  green 2024"):
        require_sound(to_frame(_audit(months, [RAW])))
    with pytest.raises(ReconciliationError) as error:
        require_sound(to_frame(_audit(months, [RAW, LAKE, NOTE, TABLE])))
    first, *listed, rest = str(error.value).split("\n")
    assert first == "3 things are wrong in the stores:"
    assert listed == [f"  {RAW}", f"  {LAKE}", f"  {TABLE}"]
    assert error.value.details.splitlines() == [line.strip() for line in listed]
    for fact in (
        "left as they are. The log says what lake_audit would do with repair=true: load",
        "again and remove what",
        "nothing from raw/ and nothing of others. docs/audit.md",
    ):
        assert fact in rest
