"""What can be wrong in the stores: each kind with its code, its sentence and its remedy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nyc_tlc.core.catalog.partition import Partition


class Remedy(StrEnum):
    """What fixes it."""

    LOAD = "load the month again from raw/"
    FETCH = "load the month again from the source"
    REMOVE = "remove it"
    OPERATOR = "a person has to decide"
    NONE = "nothing needs to be done"


@dataclass(frozen=True)
class Kind:
    """One thing that can be found: its stable code, what it means and what fixes it."""

    code: str
    sentence: str
    remedy: Remedy

    @property
    def is_wrong(self) -> bool:
        """Whether it fails the audit while it is there; the others are only worth knowing."""
        return self.remedy is not Remedy.NONE

    @property
    def discard(self) -> bool:
        """Whether the place, a damaged record, has to be deleted before the remedy can work."""
        return self.code.endswith("_unreadable")


_SENTENCES = {
    Remedy.LOAD: {
        "not_loaded": "The month was landed, but no store has it",
        "revision_not_loaded": "A newer version was landed than the one that the stores hold",
        "contract_stale": "The month was conformed to another version of the contract than today's",
        "zones_outdated": "The month was located with polygons that others have replaced since",
        "manifest_missing": "Stores hold the month, the lake has no manifest",
        "manifest_unreadable": "The manifest is damaged",
        "manifest_inconsistent": "The manifest's counts do not add up",
        "lake_missing": "A file that the manifest names is gone",
        "lake_tampered": "A file is not the one that the manifest names",
        "lake_rows": "A file has other rows than the manifest says",
        "ledger_missing": "Other stores hold the month, the ledger does not",
        "ledger_differs": "Ledger and manifest record different content",
        "table_missing": "The ledger has the month, readers do not see it",
        "table_rows": "The month's table has other rows than the ledger says",
        "table_altered": "Rows were written or removed by hand since the load",
        "table_values": "The month's table has other values than the lake",
        "quarantine_rows": "The quarantine table has other rows of the month than the ledger says",
        "quarantine_values": "The quarantine table has other values of the month than the lake",
        "bigquery_missing": "BigQuery is not recorded to hold the month",
        "bigquery_unreadable": "The record of BigQuery is damaged",
        "bigquery_differs": "BigQuery has another version than the manifest",
        "bigquery_rows": "BigQuery has other rows of the month than the manifest",
        "bigquery_values": "BigQuery has other values of the month than the lake",
        "not_reconciled": "The stores were never proved equal",
    },
    Remedy.FETCH: {
        "landing_missing": "raw/ has no record of the landed version",
        "landing_unreadable": "The record of the landed version is damaged",
        "raw_missing": "The published bytes are gone from raw/",
        "raw_tampered": "The bytes in raw/ are not those that were published",
        "source_revised": "The source has another version than raw/",
    },
    Remedy.REMOVE: {
        "staging_orphan": "A run that died more than a day ago left this",
        "table_orphan": "No reader sees this table and no load works on it",
    },
    Remedy.OPERATOR: {
        "superseded_tampered": (
            "A version kept in raw/ is not what its name says; restore or delete it"
        ),
        "table_foreign": "Readers of the service see this table, which no load of ours made",
    },
    Remedy.NONE: {
        "superseded_missing": "A superseded version is gone from raw/; no store needs it",
        "raw_unreferenced": "raw/ keeps a version that no record names; raw/ is never cleared",
        "object_foreign": "No record of ours says that we made this; it is left alone",
        "source_absent": "The source does not have the month any more; we do",
    },
}
KINDS: Mapping[str, Kind] = {
    code: Kind(code, sentence, remedy)
    for remedy, sentences in _SENTENCES.items()
    for code, sentence in sentences.items()
}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        partition: None where it belongs to no month.
        place: Lake path, or name of a table.
        detail: Found against expected.
        repaired: Whether a repair made it go away.
        trouble: Why a repair did not.
    """

    code: str
    partition: Partition | None
    place: str
    detail: str = ""
    repaired: bool = False
    trouble: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def is_open(self) -> bool:
        """Whether something is wrong and has not been repaired."""
        return self.kind.is_wrong and not self.repaired

    @property
    def what(self) -> tuple[str, Partition | None, str]:
        """What two findings have in common that are of the same thing."""
        return self.code, self.partition, self.place

    @property
    def mark(self) -> str:
        """In a few words, for a table that names the month."""
        return f"{self.code}{' (repaired)' if self.repaired else ''} {self.place}"

    def __str__(self) -> str:
        about = f"{self.partition}: " if self.partition else ""
        detail = f": {self.detail}" if self.detail else ""
        trouble = f". The repair failed: {self.trouble}" if self.trouble else ""
        return f"{about}{self.code}: {self.kind.sentence} ({self.place}{detail}){trouble}"


def repair_plan(found: Iterable[Finding]) -> list[str]:
    """What a repair would do about what is wrong: a line for each removal, and for each load."""
    wrong = [finding for finding in found if finding.is_open]
    loads = {Remedy.LOAD: "from raw/", Remedy.FETCH: "from the source"}
    months = {
        f"load {finding.partition} again {loads[finding.kind.remedy]}": None
        for finding in wrong
        if finding.partition and finding.kind.remedy in loads
    }
    removals = {
        f"remove {finding.place}": None
        for finding in wrong
        if finding.kind.remedy is Remedy.REMOVE or finding.kind.discard
    }
    return [*removals, *months]


def by_partition(findings: Iterable[Finding]) -> dict[Partition | None, list[Finding]]:
    of_month: dict[Partition | None, list[Finding]] = {}
    for finding in findings:
        of_month.setdefault(finding.partition, []).append(finding)
    return of_month
