"""The data dictionary page, rendered from the contracts and the quality rules.

``python -m docs.generate.data_dictionary`` prints it; `make docs` writes it to docs/.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from nyc_tlc.core.contract.code_lists import code_lists
from nyc_tlc.core.contract.model import CodeList, Column, Contract, Vintage
from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.marts.declared import MARTS
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import FLAGS, REASONS, Rule

_INTRODUCTION = """\
# Data dictionary

Generated from the contracts in `nyc_tlc/core/contract/` by `make docs`; a test fails when it is
stale. The same columns, in the same order, are in Postgres (`tlc.<service>`) and in the lake
(`trips/service=<service>/`), whether the month came as Parquet or as CSV. Datetimes are New York
wall clock without zone, amounts US dollars. A column may be null unless it is marked required."""


def dictionary() -> str:
    """The page, as Markdown."""
    services = chain.from_iterable(_service(service) for service in SERVICES.values())
    return "\n".join([_INTRODUCTION, "", *services, *_marts(), *_codes(), *_quality()]) + "\n"


def _service(service: Service) -> Iterator[str]:
    contract = service.contract
    yield f"## {service}\n"
    yield (
        f"Contract {contract.service}/{contract.version}, months since {service.first_month} "
        f"(as CSV since {service.first_csv_month}).\n"
    )
    yield from _table(
        ("column", "type", "unit", "meaning", "published as", "in the Parquet files", "in the CSV"),
        (_column(column, contract) for column in contract.columns),
    )


def _column(column: Column, contract: Contract) -> tuple[str, ...]:
    meaning = column.meaning + (f" (codes: {column.codes.name})" if column.codes else "")
    return (
        f"`{column.name}`",
        _type(column),
        column.unit or "",
        meaning,
        ", ".join(f"`{name}`" for name in column.published_as) or "(ours)",
        "; ".join(_spans(_physical_types(column, contract.vintages))),
        "; ".join(_spans(_csv_names(column, contract.csv_vintages))),
    )


def _type(column: Column) -> str:
    return column.type.value + (", required" if column.required else "")


def _physical_types(
    column: Column, vintages: Iterable[Vintage]
) -> Iterator[tuple[Month, str | None]]:
    for vintage in vintages:
        kinds = [kind for name, kind in vintage.published.items() if name in column.published_as]
        yield vintage.first, kinds[0] if kinds else None


def _csv_names(column: Column, vintages: Iterable[Vintage]) -> Iterator[tuple[Month, str | None]]:
    for vintage in vintages:
        names = [f"`{name}`" for name in column.published_as if name in vintage.published]
        yield vintage.first, " or ".join(names) or None


def _spans(by_vintage: Iterable[tuple[Month, str | None]]) -> Iterator[str]:
    """The spans of months in which a column stays what it is: ``double since 2011-01``."""
    last: str | None = None
    for first, state in by_vintage:
        if state != last:
            yield f"{state or 'absent'} since {first}"
        last = state


def _marts() -> Iterator[str]:
    for mart in MARTS:
        yield f"## {mart.name}\n"
        yield f"A mart, version {mart.version}: {mart.meaning.lower()} ([marts](marts.md)).\n"
        yield from _table(
            ("column", "type", "unit", "meaning"),
            (
                (f"`{column.name}`", _type(column), column.unit or "", column.meaning)
                for column in mart.columns
            ),
        )


def _codes() -> Iterator[str]:
    yield "## Codes\n"
    yield "A code outside its list is kept and flagged `unknown_code`. Each list is a table.\n"
    for name, codes in code_lists().items():
        yield f"### {name}\n"
        yield from _table(("code", "meaning", "also published as"), _meanings(codes))
        yield f"Source: {codes.source}.\n"


def _meanings(codes: CodeList) -> Iterator[tuple[str, ...]]:
    for code, meaning in codes.meanings.items():
        spellings = (f"`{text}`" for text, of in codes.spellings.items() if of == code)
        yield f"`{code}`", meaning, ", ".join(spellings)


def _quality() -> Iterator[str]:
    yield "## Quarantine reasons\n"
    yield "A row gets the first reason that holds.\n"
    yield from _table(("reason", "meaning"), _sentences(REASONS))
    yield "## Quality flags\n"
    yield "Bits of `quality_flags`; the row is kept.\n"
    yield from _table(
        ("bit", "flag", "meaning"),
        ((str(bit), *sentence) for bit, sentence in enumerate(_sentences(FLAGS))),
    )


def _sentences(rules: Sequence[Rule]) -> Iterator[tuple[str, ...]]:
    return ((f"`{rule.code}`", rule.sentence) for rule in rules)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(dictionary())
