"""The outcome of an audit: every month with its verdict, and everything that was found."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import pandas as pd

from nyc_tlc.core.audit.evidence import Evidence
from nyc_tlc.core.audit.findings import Finding, by_partition
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError, listed
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
        is_sample: Whether it was generated, instead of published by TLC.
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
    is_sample: bool = False

    @property
    def is_proved(self) -> bool:
        """Whether every store agrees on it, be it after a repair."""
        return self.verdict in {Verdict.PROVED, Verdict.REPAIRED}


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
    def verdicts(self) -> Mapping[Verdict, int]:
        return Counter(month.verdict for month in self.months)


def audited(evidence: Evidence, found: Collection[Finding]) -> AuditedMonth:
    """A month with its verdict, after what is, or was, found about it."""
    manifest, ledger = evidence.manifest, evidence.ledger
    partition, verdict = evidence.partition, _verdict(evidence, found)
    if not isinstance(manifest, Manifest):
        return AuditedMonth(partition, verdict)
    return AuditedMonth(
        partition,
        verdict,
        published=manifest.counts.published,
        accepted=manifest.counts.accepted,
        quarantined=manifest.counts.quarantined,
        by_reason=manifest.counts.by_reason,
        by_day=manifest.counts.by_day,
        raw_bytes=manifest.landing.bytes,
        lake_bytes=sum(stored.bytes for stored in manifest.objects),
        seconds=ledger.seconds if ledger else None,
        loaded_at=ledger.loaded_at if ledger else None,
        is_sample=manifest.counts.is_sample,
    )


def _verdict(evidence: Evidence, found: Collection[Finding]) -> Verdict:
    if any(finding.is_open for finding in found):
        return Verdict.WRONG
    if any(finding.repaired for finding in found):
        return Verdict.REPAIRED
    return Verdict.PROVED if evidence.is_known else Verdict.NOT_LOADED


def after_repair(
    before: Sequence[Finding], after: Sequence[Finding], trouble: Mapping[Partition, str]
) -> tuple[Finding, ...]:
    """What was found, marked as repaired where it is found no more, then what is new.

    Where the repair of a month failed, ``trouble`` says why.
    """
    left, seen = ({finding.what for finding in found} for found in (after, before))

    def outcome(finding: Finding) -> Finding:
        if finding.what not in left:
            return replace(finding, repaired=finding.kind.is_wrong)
        why = trouble.get(finding.partition, "") if finding.partition else ""
        return replace(finding, trouble=why)

    new = (finding for finding in after if finding.what not in seen)
    return tuple(outcome(finding) for finding in (*before, *new))


def to_frame(audit: Audit) -> pd.DataFrame:
    """One row per month, then one per finding that belongs to no audited month."""
    of_month = by_partition(audit.findings)
    rows = [
        _row(month.partition, month.verdict, of_month.pop(month.partition, []))
        | {
            "published": month.published,
            "accepted": month.accepted,
            "quarantined": month.quarantined,
            "megabytes": round(month.raw_bytes / 1e6, 3),
            "seconds": month.seconds or 0.0,
            "sample": month.is_sample,
        }
        for month in audit.months
    ]
    rows += [
        _row(partition, _outcome(finding), [finding])
        for partition, found in of_month.items()
        for finding in found
    ]
    return pd.DataFrame(rows, columns=list(_row(None, Verdict.WRONG, [])))


def _outcome(finding: Finding) -> str:
    if finding.is_open:
        return Verdict.WRONG
    return Verdict.REPAIRED if finding.repaired else "left alone"


def _row(
    partition: Partition | None, verdict: str, found: Collection[Finding]
) -> dict[str, object]:
    """Without figures."""
    return {
        "service": partition.service.name if partition else "",
        "month": str(partition.month) if partition else "",
        "verdict": str(verdict),
        **dict.fromkeys(("published", "accepted", "quarantined"), 0),
        **dict.fromkeys(("megabytes", "seconds"), 0.0),
        "sample": False,
        "findings": "; ".join(finding.mark for finding in found),
        "wrong": "\n".join(str(finding) for finding in found if finding.is_open),
    }


def require_sound(frame: pd.DataFrame) -> None:
    """End the run with an error if anything is wrong and has not been repaired.

    Raises:
        ReconciliationError: names everything that is.
    """
    wrong = [line for text in frame["wrong"] for line in str(text).splitlines() if line]
    if wrong:
        raise ReconciliationError(
            f"{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong in the stores:\n"
            f"{listed([f'  {line}' for line in wrong], chr(10))}\nThe stores were left as they "
            "are. The log says what lake_audit would do with repair=true: load months again and "
            "remove what our runs have left, nothing from raw/ and nothing of others. "
            "docs/audit.md says what to do about what it leaves.",
            details="\n".join(wrong),
        )
