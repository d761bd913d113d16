"""What can be wrong in the stores: each kind with its code, its sentence and its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from nyc_tlc.core.catalog.partition import Partition


class Remedy(StrEnum):
    """What makes it right."""

    LOAD = "load the month again from raw/"
    FETCH = "load the month again from the source"
    REMOVE = "remove it"
    OPERATOR = "a person has to decide"
    NONE = "nothing needs to be done"


@dataclass(frozen=True)
class Kind:
    """One thing that can be found.

    Attributes:
        code: Stable name, for people and programs.
        sentence: What it means.
        discard: Whether the place itself has to be deleted before the remedy can work.
    """

    code: str
    sentence: str
    remedy: Remedy
    discard: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether it fails the audit while it is there; the others are only worth knowing."""
        return self.remedy is not Remedy.NONE


KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind("not_loaded", "The month was landed, but no store has it", Remedy.LOAD),
        Kind(
            "revision_not_loaded",
            "A newer version was landed than the one that the stores hold",
            Remedy.LOAD,
        ),
        Kind(
            "contract_stale",
            "The month was conformed to another version of the contract than today's",
            Remedy.LOAD,
        ),
        Kind("landing_missing", "raw/ has no record of the landed version", Remedy.FETCH),
        Kind(
            "landing_unreadable",
            "The record of the landed version is damaged",
            Remedy.FETCH,
            discard=True,
        ),
        Kind("raw_missing", "The published bytes are gone from raw/", Remedy.FETCH),
        Kind("raw_tampered", "The bytes in raw/ are not those that were published", Remedy.FETCH),
        Kind(
            "superseded_tampered",
            "A version kept in raw/ is not what its name says; restore or delete it",
            Remedy.OPERATOR,
        ),
        Kind(
            "superseded_missing",
            "A superseded version is gone from raw/; no store needs it",
            Remedy.NONE,
        ),
        Kind(
            "raw_unreferenced",
            "raw/ keeps a version that no record names; raw/ is never cleared",
            Remedy.NONE,
        ),
        Kind("manifest_missing", "Stores hold the month, the lake has no manifest", Remedy.LOAD),
        Kind("manifest_unreadable", "The manifest is damaged", Remedy.LOAD, discard=True),
        Kind("manifest_inconsistent", "The manifest's counts do not add up", Remedy.LOAD),
        Kind("lake_missing", "A file that the manifest names is gone", Remedy.LOAD),
        Kind("lake_tampered", "A file is not the one that the manifest names", Remedy.LOAD),
        Kind("lake_rows", "A file has other rows than the manifest says", Remedy.LOAD),
        Kind("ledger_missing", "Other stores hold the month, the ledger does not", Remedy.LOAD),
        Kind("ledger_differs", "Ledger and manifest tell of different content", Remedy.LOAD),
        Kind("table_missing", "The ledger has the month, readers do not see it", Remedy.LOAD),
        Kind("table_rows", "The month's table has other rows than the ledger says", Remedy.LOAD),
        Kind("table_altered", "Rows were written or removed by hand since the load", Remedy.LOAD),
        Kind(
            "quarantine_rows",
            "The quarantine table has other rows of the month than the ledger says",
            Remedy.LOAD,
        ),
        Kind("bigquery_missing", "BigQuery is not recorded to hold the month", Remedy.LOAD),
        Kind(
            "bigquery_unreadable", "The record of BigQuery is damaged", Remedy.LOAD, discard=True
        ),
        Kind("bigquery_differs", "BigQuery has another version than the manifest", Remedy.LOAD),
        Kind(
            "bigquery_rows", "BigQuery has other rows of the month than the manifest", Remedy.LOAD
        ),
        Kind("not_reconciled", "The stores were never proved equal", Remedy.LOAD),
        Kind("source_revised", "The source has another version than raw/", Remedy.FETCH),
        Kind(
            "source_absent", "The source does not have the month any more; we do", Remedy.NONE
        ),
        Kind("object_orphan", "No record refers to this object", Remedy.REMOVE),
        Kind("staging_orphan", "A run that died more than a day ago left this", Remedy.REMOVE),
        Kind("table_orphan", "No reader sees this table and no load works on it", Remedy.REMOVE),
        Kind(
            "table_foreign",
            "Readers of the service see this table, which no load of ours made",
            Remedy.OPERATOR,
        ),
    )
}  # fmt: skip


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

    def __str__(self) -> str:
        about = f"{self.partition}: " if self.partition else ""
        detail = f": {self.detail}" if self.detail else ""
        trouble = f". The repair failed: {self.trouble}" if self.trouble else ""
        return f"{about}{self.code}: {self.kind.sentence} ({self.place}{detail}){trouble}"
