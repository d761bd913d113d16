"""The words in which a mart is declared."""

from dataclasses import dataclass

from nyc_tlc.core.contract.model import Column


@dataclass(frozen=True)
class Mart:
    """A table built from the trips, month by month and service by service.

    Every mart has the columns ``source_month`` and ``service``, by which a month is replaced, and
    ``trips``, the count whose sum over a month is proved to be the month's accepted rows.

    Attributes:
        name: Name of the table, and of its query: ``sql/<name>.sql`` next to this module.
        version: Raised when the query, what it reads or the columns change; every month is then
            built again.
        meaning: One sentence for the table's comment and the data dictionary.
        columns: In the order in which the query gives them.
        clustered_by: Columns by which readers choose; Postgres indexes them, BigQuery clusters.
    """

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]
    clustered_by: tuple[str, ...]
