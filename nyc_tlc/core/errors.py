"""What can go wrong, grouped by what the operator does about it.

Every message reads: what happened, to which partition or column, found against expected,
what was left untouched, next step.
"""

from collections.abc import Sequence


class PipelineError(Exception):
    """Base of every error that this project raises on purpose.

    Attributes:
        outage: What keeps a system from serving any month, in a few words; empty when the error
            is about one month.
        details: What is too long for a message: the log file gets it.
    """

    def __init__(self, message: str, *, outage: str = "", details: str = "") -> None:
        super().__init__(message)
        self.outage = outage
        self.details = details


class RetryableError(PipelineError):
    """The network, a 429/5xx answer or a lock: trying again later may succeed.

    Attributes:
        retry_after: Seconds the other side asked us to wait; None when it said nothing.
        in_vain: Whether the attempt got no further than those before it.
        unconfirmed: Whether the outage may be of this month alone, until the next meets one too: a
            server may refuse one file with the status that it has for all of them.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        outage: str = "",
        in_vain: bool = False,
        unconfirmed: bool = False,
    ) -> None:
        super().__init__(message, outage=outage)
        self.retry_after = retry_after
        self.unconfirmed = unconfirmed
        self._in_vain = in_vain

    @property
    def in_vain(self) -> bool:
        return self._in_vain or bool(self.outage) or self.retry_after is not None


class NotPublishedYet(PipelineError):  # noqa: N818 - the design's name: it is not a failure
    """The month is absent at the source within its usual publication lag. Try at the next run."""


class SourceError(PipelineError):
    """The published file is absent, unreadable, cut short or another month's. Look at the file."""


class ContractError(PipelineError):
    """Columns or types outside the contract. The contract needs a decision."""


class ReconciliationError(PipelineError):
    """Counts disagree, or another run changed the partition. Run the month again."""


class PartitionsFailedError(PipelineError):
    """Some partitions of a run failed; the others are done, and alerts of the failed are sent."""


class ConfigurationError(PipelineError):
    """Settings or run parameters are missing or contradictory. Correct them and start again."""


MOST_LISTED = 10
"""Items of a list in a message."""
_MOST_SHOWN = 80


def shorten(value: object) -> str:
    """What was found, as a message may repeat it: of something long, only the beginning."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}… ({len(text):,} characters)"


def listed(items: Sequence[str], separator: str = ", ") -> str:
    """A list as a message may repeat it: of a long one the first items, and how many follow."""
    shown, more = items[:MOST_LISTED], len(items) - MOST_LISTED
    return separator.join([*shown, *([f"and {more:,} more"] if more > 0 else [])])
