"""The views in BigQuery, as statements that replace them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.view_queries import Names, view_queries


def render(dataset: str, contracts: Sequence[Contract]) -> Mapping[str, str]:
    """Name and statement of each view; ``quarantine`` unites the services' quarantines."""

    def table(name: str) -> str:
        return _quoted(f"{dataset}.{name}")

    queries = {
        **view_queries(contracts, Names(_quoted, table)),
        "quarantine": " UNION ALL ".join(
            f"SELECT '{contract.service}' AS service, source_month, source_row, reason, published "  # noqa: S608 - names of ours
            f"FROM {table(f'quarantine_{contract.service}')}"
            for contract in contracts
        ),
    }
    return {
        name: f"CREATE OR REPLACE VIEW {table(name)} AS {query}" for name, query in queries.items()
    }


def _quoted(name: str) -> str:
    return f"`{name}`"
