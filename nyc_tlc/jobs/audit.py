"""The audit of every store, its repair and its report: what Mage's blocks call."""

import logging
import sys
import webbrowser
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pandas as pd

from nyc_tlc.core.audit.compare import findings
from nyc_tlc.core.audit.evidence import Evidence
from nyc_tlc.core.audit.findings import Finding, Remedy, by_partition, repair_plan
from nyc_tlc.core.audit.report import MARK, render
from nyc_tlc.core.audit.verdicts import (
    Audit,
    AuditedMonth,
    Verdict,
    after_repair,
    audited,
    to_frame,
)
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.errors import PipelineError, ReconciliationError, listed
from nyc_tlc.core.lake.paths import AUDIT_REPORT
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.open import Job, open_job
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.audit import Inspector
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from nyc_tlc.steps.inspect_month import Inspection, Survey, beside
from nyc_tlc.steps.records import not_ours
from nyc_tlc.wiring import connect_inspector, connect_stores

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditScope:
    """What is audited, and how.

    Attributes:
        partitions: Service by service, ascending.
        deep: Read the bytes of every object again, and compare every value in the warehouses.
        ask_source: Ask the source whether it still has what was landed.
        repair: Fix what is wrong.
    """

    partitions: tuple[Partition, ...]
    deep: bool = False
    ask_source: bool = False
    repair: bool = False

    @staticmethod
    def months_of(services: Iterable[Service], months: Iterable[Month]) -> tuple[Partition, ...]:
        """These months of the services; none named: every one there can be, in either format."""
        chosen, current = tuple(months), Month.of(datetime.now(UTC).date())
        return tuple(
            Partition(service, month)
            for service in services
            for month in chosen or service.earliest_month.through(current)
        )

    def __str__(self) -> str:
        deep = "every byte read and every value compared"
        how = [
            deep if self.deep else "sizes, checksums and every row counted",
            *(["source asked"] if self.ask_source else []),
            "with repair" if self.repair else "nothing was changed",
        ]
        return f"{len(self.partitions):,} months looked for; {', '.join(how)}"


@dataclass(frozen=True)
class _Seen:
    """One look at the stores."""

    evidence: Mapping[Partition, Evidence]
    findings: tuple[Finding, ...]


class LakeAudit(Job):
    """Every store against the others, month by month."""

    def __init__(self, settings: Settings, ports: Ports, inspector: Inspector) -> None:
        super().__init__(settings, ports)
        self._inspector = inspector
        self._trips = Trips(settings, ports)

    @classmethod
    def open(cls) -> Self:
        """With the settings of the environment."""
        settings, ports = open_job(connect_stores)
        return cls(settings, ports, connect_inspector(settings))

    def audit(self, scope: AuditScope) -> pd.DataFrame:
        """Compare, repair if asked to, and write the report; one row per month.

        The stores need not rest: a month that a run replaces meanwhile is looked at twice.

        Raises:
            ConfigurationError: a file of others has the name of the report.
        """
        page = self._retried("audit", lambda: self._ports.lake.read(AUDIT_REPORT))
        if page is not None and MARK.encode() not in page[0]:
            raise not_ours(AUDIT_REPORT, self._ports.lake)
        inspection = Inspection(
            self._ports, self._inspector, deep=scope.deep, ask_source=scope.ask_source
        )
        seen = self._look(inspection, scope.partitions, again=True)
        if scope.repair and any(finding.is_open for finding in seen.findings):
            seen = self._repaired(inspection, scope.partitions, seen)
        audit = self._audit(scope, seen)
        self._ports.lake.write(AUDIT_REPORT, render(audit).encode(), if_generation=None)
        _logger.info("%s", _summary(audit, self._ports.lake.url))
        return to_frame(audit)

    def _look(
        self, inspection: Inspection, wanted: Iterable[Partition], *, again: bool = False
    ) -> _Seen:
        survey = self._retried("audit", inspection.survey)
        chosen = set(wanted)
        partitions = _ordered(p for p in survey.partitions if _is_in_scope(p, chosen))
        evidence = self._evidence(inspection, partitions, survey)
        suspects = [p for p in partitions if again and findings(evidence[p])]
        if suspects:
            survey = self._retried("audit", inspection.survey)
            evidence |= self._evidence(inspection, suspects, survey)
        astray = [
            finding
            for finding in beside(survey)
            if finding.partition is None or _is_in_scope(finding.partition, chosen)
        ]
        found = [finding for partition in partitions for finding in findings(evidence[partition])]
        return _Seen(evidence, (*found, *astray))

    def _evidence(
        self, inspection: Inspection, partitions: Sequence[Partition], survey: Survey
    ) -> dict[Partition, Evidence]:
        def one(partition: Partition) -> Evidence:
            try:
                return self._retried("audit", lambda: inspection.evidence(partition, survey))
            except ReconciliationError:
                # An object that was listed has been deleted since.
                return self._retried(
                    "audit", lambda: inspection.evidence(partition, inspection.survey())
                )

        with ThreadPoolExecutor(self._settings.tlc_workers, thread_name_prefix="audit") as pool:
            return dict(zip(partitions, pool.map(one, partitions), strict=True))

    def _repaired(
        self, inspection: Inspection, wanted: Iterable[Partition], before: _Seen
    ) -> _Seen:
        wrong = [finding for finding in before.findings if finding.is_open]
        _logger.info("%s", "\n".join(["this repair will", *_indented(repair_plan(wrong))]))
        for finding in wrong:
            if finding.kind.remedy is Remedy.REMOVE:
                self._remove(finding)
            elif finding.kind.discard:
                self._ports.lake.delete(finding.place)
        loads = [
            (finding.partition, finding.kind.remedy is Remedy.FETCH)
            for finding in wrong
            if finding.partition and finding.kind.remedy in {Remedy.LOAD, Remedy.FETCH}
        ]
        # Sorted, so that a month that has to be fetched is fetched, whatever else is wrong.
        trouble = self._loaded(dict(sorted(loads, key=lambda load: load[1])))
        touched = {finding.partition for finding in wrong}
        after = self._look(inspection, [partition for partition in wanted if partition in touched])
        concerned = [f for f in before.findings if f.partition is None or f.partition in touched]
        others = [finding for finding in before.findings if finding not in concerned]
        return _Seen(
            {**before.evidence, **after.evidence},
            (*others, *after_repair(concerned, after.findings, trouble)),
        )

    def _remove(self, finding: Finding) -> None:
        _logger.info("removing %s", finding.place)
        try:
            if finding.code == "table_orphan":
                self._retried("audit", lambda: self._inspector.drop_leftover(finding.place))
            else:
                self._retried("audit", lambda: self._ports.lake.delete(finding.place))
        except PipelineError as error:
            # It is found again, and the rest can be repaired all the same.
            _logger.warning("%s is still there: %s", finding.place, error)

    def _loaded(self, fetch: Mapping[Partition, bool]) -> Mapping[Partition, str]:
        """Load these months through the steps of every load; says why some failed.

        Args:
            fetch: Month to whether the source is to be asked for it, instead of ``raw/``.
        """

        def one(partition: Partition) -> str:
            try:
                self._trips.load_again(partition, fetch=fetch[partition])
            except PipelineError as error:
                # The month's line, without what the run says before and after it.
                own, lines = f"{partition}: ", str(error).splitlines()
                said = [line.partition(own)[2] for line in lines if own in line]
                return (said or lines)[-1].strip()
            return ""

        with ThreadPoolExecutor(self._settings.tlc_workers, thread_name_prefix="repair") as pool:
            outcomes = dict(zip(fetch, pool.map(one, fetch), strict=True))
        return {partition: why for partition, why in outcomes.items() if why}

    def _audit(self, scope: AuditScope, seen: _Seen) -> Audit:
        due = Month.of(datetime.now(UTC).date()) - self._settings.tlc_publication_lag
        of_month = by_partition(seen.findings)

        def month(partition: Partition) -> AuditedMonth:
            if partition in seen.evidence:
                return audited(seen.evidence[partition], of_month.get(partition, []))
            is_due = partition.month < due
            return AuditedMonth(partition, Verdict.NOT_LOADED if is_due else Verdict.NOT_PUBLISHED)

        bigquery = self._ports.bigquery
        also = {"BigQuery": bigquery.address} if bigquery is not None else {}
        return Audit(
            months=tuple(map(month, _ordered({*scope.partitions, *seen.evidence}))),
            findings=tuple(
                finding
                for partition in (*_ordered(p for p in of_month if p), None)
                for finding in of_month.get(partition, [])
            ),
            at=datetime.now(UTC),
            lake=self._ports.lake.url,
            warehouses={"Postgres": self._ports.warehouse.describe(), **also},
            scope=str(scope),
        )


def _is_in_scope(partition: Partition, chosen: Collection[Partition]) -> bool:
    """Chosen, or of a month that cannot have been published, which nobody can choose."""
    first, current = partition.service.earliest_month, Month.of(datetime.now(UTC).date())
    return partition in chosen or not first <= partition.month <= current


def _ordered(partitions: Iterable[Partition]) -> list[Partition]:
    """Service by service, ascending."""
    services = list(SERVICES)
    return sorted(partitions, key=lambda p: (services.index(p.service.name), p.month))


def _summary(audit: Audit, lake: str) -> str:
    """What the log shows: the verdicts, then the first findings; the report has them all."""
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in audit.verdicts.items())
    lines = [
        f"  {'repaired' if finding.repaired else finding.kind.remedy}: {finding}"
        for finding in audit.findings
    ]
    found = [listed(lines, "\n")] if lines else []
    plan = _indented(repair_plan(audit.findings))
    would = ["with repair=true it would", *plan] if plan else []
    return "\n".join(
        [f"{verdicts} ({audit.scope})", *found, *would, f"report: {lake}/{AUDIT_REPORT}"]
    )


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def download_report(lake: Lake, folder: Path) -> Path | None:
    """Copy the report of the last audit into a folder; None when no audit has written one."""
    found = lake.read(AUDIT_REPORT)
    if found is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(AUDIT_REPORT).name
    target.write_bytes(found[0])
    return target


def show_report() -> None:
    """Print where the report of the last audit is; open it if standard output is a terminal.

    Raises:
        PipelineError: there is none yet, or settings or the lake are wrong.
    """
    settings, ports = open_job(connect_stores)
    target = download_report(ports.lake, settings.tlc_work_dir / "report")
    if target is None:
        raise ReconciliationError(
            f"{ports.lake.url}/{AUDIT_REPORT} is not there yet. Run `make audit` first."
        )
    sys.stdout.write(f"{target}\n")
    if sys.stdout.isatty():
        webbrowser.open(target.as_uri())
