"""The outcome of an audit: every month with its verdict, and everything that was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import pandas as pd

from nyc_tlc.core.audit.evidence import Evidence, Unreadable
from nyc_tlc.core.audit.findings import Finding, Remedy
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake.records import Manifest


class Verdict(StrEnum):
    """What an audit says of a month."""

    PROVED = "proved"
    REPAIRED = "repaired"
    WRONG = "wrong"
    NOT_LOADED = "not loaded"
    NOT_PUBLISHED = "not published yet"


@dataclass(frozen=True)
class AuditedMonth:
    """One month with its verdict and its figures, which are the manifest's.

    Attributes:
        by_reason: Quarantine reason to rows.
        by_day: Day, ``2024-01-31``, to accepted trips picked up on it.
        raw_bytes: Of the published file.
        lake_bytes: Of trips and quarantine together.
        seconds: Time that the load took; None when nobody recorded it.
    """

    partition: Partition
    verdict: Verdict
    published: int = 0
    accepted: int = 0
    quarantined: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    by_day: Mapping[str, int] = field(default_factory=dict)
    raw_bytes: int = 0
    lake_bytes: int = 0
    seconds: float | None = None
    loaded_at: datetime | None = None


@dataclass(frozen=True)
class Audit:
    """What one audit looked at and found.

    Attributes:
        months: Service by service, ascending.
        findings: Of the months in their order, then those that belong to none.
        warehouses: Name to address.
        scope: What was looked at and how, in words.
    """

    months: tuple[AuditedMonth, ...]
    findings: tuple[Finding, ...]
    at: datetime
    lake: str
    warehouses: Mapping[str, str]
    scope: str

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """What is wrong and has not been repaired."""
        return tuple(finding for finding in self.findings if finding.is_open)

    @property
    def verdicts(self) -> Mapping[Verdict, int]:
        return Counter(month.verdict for month in self.months)


def audited(evidence: Evidence, found: Collection[Finding]) -> AuditedMonth:
    """A month with its verdict, after what is, or was, found about it."""
    manifest = evidence.manifest
    month = AuditedMonth(evidence.partition, _verdict(evidence, found))
    if manifest is None or isinstance(manifest, Unreadable):
        return month
    ledger = evidence.ledger
    return replace(
        _with_counts(month, manifest),
        seconds=ledger.seconds if ledger else None,
        loaded_at=ledger.loaded_at if ledger else None,
    )


def unseen(partition: Partition, *, is_due: bool) -> AuditedMonth:
    """A month of which nothing is anywhere."""
    return AuditedMonth(partition, Verdict.NOT_LOADED if is_due else Verdict.NOT_PUBLISHED)


def _verdict(evidence: Evidence, found: Collection[Finding]) -> Verdict:
    if any(finding.is_open for finding in found):
        return Verdict.WRONG
    if any(finding.repaired for finding in found):
        return Verdict.REPAIRED
    return Verdict.PROVED if evidence.is_known else Verdict.NOT_LOADED


def _with_counts(month: AuditedMonth, manifest: Manifest) -> AuditedMonth:
    counts = manifest.counts
    return replace(
        month,
        published=counts.published,
        accepted=counts.accepted,
        quarantined=counts.quarantined,
        by_reason=counts.by_reason,
        by_day=counts.by_day,
        raw_bytes=manifest.landing.bytes,
        lake_bytes=sum(stored.bytes for stored in manifest.objects),
    )


def after_repair(
    before: Sequence[Finding], after: Sequence[Finding], trouble: Mapping[Partition, str]
) -> tuple[Finding, ...]:
    """What was found, marked as repaired where it is found no more, then what is new.

    Args:
        before: Found before the repair.
        after: Found after it, about the same months.
        trouble: Why the repair of a month failed.
    """
    left = {_what(finding) for finding in after}
    seen = {_what(finding) for finding in before}
    marked = (
        _explained(finding, trouble)
        if _what(finding) in left
        else replace(finding, repaired=finding.kind.is_wrong)
        for finding in before
    )
    new = (_explained(finding, trouble) for finding in after if _what(finding) not in seen)
    return (*marked, *new)


def _explained(finding: Finding, trouble: Mapping[Partition, str]) -> Finding:
    why = trouble.get(finding.partition, "") if finding.partition else ""
    return replace(finding, trouble=why)


def _what(finding: Finding) -> tuple[str, Partition | None, str]:
    return finding.code, finding.partition, finding.place


def to_frame(audit: Audit) -> pd.DataFrame:
    """One row per month, then one per finding that belongs to no audited month."""
    of_month: dict[Partition | None, list[Finding]] = {}
    for finding in audit.findings:
        of_month.setdefault(finding.partition, []).append(finding)
    rows = [_row(month, of_month.pop(month.partition, [])) for month in audit.months]
    rest = [finding for findings in of_month.values() for finding in findings]
    return pd.DataFrame([*rows, *map(_stray, rest)], columns=_COLUMNS)


_COLUMNS = [
    "service", "month", "verdict", "published", "accepted", "quarantined", "megabytes", "seconds",
    "findings", "wrong",
]  # fmt: skip


def _row(month: AuditedMonth, found: Iterable[Finding]) -> dict[str, object]:
    return {
        "service": month.partition.service.name,
        "month": str(month.partition.month),
        "verdict": month.verdict.value,
        "published": month.published,
        "accepted": month.accepted,
        "quarantined": month.quarantined,
        "megabytes": round(month.raw_bytes / 1e6, 3),
        "seconds": month.seconds or 0.0,
        "findings": "; ".join(_marked(finding) for finding in found),
        "wrong": "\n".join(str(finding) for finding in found if finding.is_open),
    }


def _stray(finding: Finding) -> dict[str, object]:
    verdict = Verdict.WRONG if finding.is_open else Verdict.REPAIRED
    return {
        "service": finding.partition.service.name if finding.partition else "",
        "month": str(finding.partition.month) if finding.partition else "",
        "verdict": verdict.value,
        **dict.fromkeys(("published", "accepted", "quarantined"), 0),
        **dict.fromkeys(("megabytes", "seconds"), 0.0),
        "findings": _marked(finding),
        "wrong": str(finding) if finding.is_open else "",
    }


def _marked(finding: Finding) -> str:
    return f"{finding.code}{' (repaired)' if finding.repaired else ''} {finding.place}"


def require_sound(frame: pd.DataFrame) -> None:
    """End the run with an error if anything is wrong and has not been repaired.

    Raises:
        ReconciliationError: names everything that is.
    """
    wrong = [line for text in frame["wrong"] for line in str(text).splitlines() if line]
    if wrong:
        listed = "\n".join(f"  {line}" for line in wrong)
        raise ReconciliationError(
            f"{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong in the stores:\n"
            f"{listed}\nAll stays as it is. Run lake_audit with repair=true: it loads the months "
            "again and removes what nothing refers to, but nothing from raw/. docs/audit.md says "
            "what to do about what it leaves."
        )


def remedies(findings: Iterable[Finding]) -> Mapping[Remedy, tuple[Finding, ...]]:
    """What is open, by what makes it right."""
    by_remedy: dict[Remedy, list[Finding]] = {remedy: [] for remedy in Remedy}
    for finding in findings:
        if finding.is_open:
            by_remedy[finding.kind.remedy].append(finding)
    return {remedy: tuple(found) for remedy, found in by_remedy.items()}
