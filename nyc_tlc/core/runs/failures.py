"""What the end of a run says of the partitions that failed: on one screen, and completely."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import MOST_LISTED, PartitionsFailedError, listed
from nyc_tlc.core.month import Month

NOT_TRIED = "not tried, because "
"""How the error of a partition begins whose step found a system out of order before."""
_MOST_SAID = 700
"""Characters of one reason on the screen."""


def failures(failed: Sequence[tuple[Partition, str]], *, of: int) -> PartitionsFailedError:
    """The error of a run that had ``of`` partitions, some of which failed, and why.

    Its message has at most ten reasons, each once; its details have every partition's own error.
    """
    groups: dict[str, list[tuple[Partition, str]]] = {}
    for partition, error in failed:
        groups.setdefault(_reason(partition, error), []).append((partition, error))
    reasons = [
        f"  {spans(partition for partition, _ in group)}: {_brief(group[0][1])}"
        for group in groups.values()
    ]
    left_out = sum(map(len, list(groups.values())[MOST_LISTED:]))
    more = [f"  and {left_out:,} more, each with a reason of its own"] if left_out else []
    others = "the others are done" if len(failed) < of else "none is done"
    return PartitionsFailedError(
        "\n".join(
            [
                f"{len(failed):,} of {of:,} partitions failed; {others}:",
                *reasons[:MOST_LISTED],
                *more,
                "A failed month stays as it was where it failed, and counts as not loaded. Run it "
                "again when the cause is mended: what is done is left alone.",
            ]
        ),
        details="\n".join(f"{partition}: {error}" for partition, error in failed),
    )


def spans(partitions: Iterable[Partition]) -> str:
    """Partitions by service: ``green 2024-01 to 2024-06, 2024-09 (7 months)``."""
    by_service: dict[str, list[Month]] = {}
    for partition in partitions:
        by_service.setdefault(partition.service.name, []).append(partition.month)
    return "; ".join(
        f"{service} {listed(_ranges(sorted(set(months))))}"
        + (f" ({len(set(months)):,} months)" if len(set(months)) > 2 else "")
        for service, months in by_service.items()
    )


def _ranges(months: Sequence[Month]) -> list[str]:
    # Months in a row less their places in the list are one month.
    rows = groupby(enumerate(months), lambda at: at[1] - at[0])
    ranges = [[month for _, month in row] for _, row in rows]
    return [str(each[0]) if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in ranges]


def _reason(partition: Partition, error: str) -> str:
    """An error without what it says of its own partition."""
    month = str(partition.month)
    names = "|".join(map(re.escape, (partition.service.name, month, month.replace("-", "_"))))
    return re.sub(rf"{names}|Tried \d+ times? in \d+ s", "", error)


def _brief(error: str) -> str:
    text = " ".join(error.split())
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"
