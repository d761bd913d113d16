"""What must hold for any bytes: a sound value or one of our errors, in bounded memory."""

import resource
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from nyc_tlc.core.errors import PipelineError
from nyc_tlc.ports.source import SourceFileAbsentError

MOST_MEMORY = 400 << 20
"""Bytes that one input may add to the process, as in tests/integration/test_hostile_inputs.py."""
LONGEST_MESSAGE = 5_000
"""Characters: a message goes into a log, an alert and a cell of the UI."""


class FaultError(AssertionError):
    """A promise was broken."""


def check(read: Callable[[bytes], object], data: bytes) -> str:
    """Read any bytes.

    Args:
        read: Raises what the reader raises, and FaultError where its value is not sound.
        data: What came from outside.

    Returns:
        The kind of error that refused the bytes; empty if a value was read.

    Raises:
        Exception: a promise was broken; a fuzzer and pytest both take that for a finding.
    """
    before = _peak_memory()
    try:
        read(data)
    except (PipelineError, SourceFileAbsentError) as error:
        require(len(str(error)) < LONGEST_MESSAGE, f"a message of {len(str(error)):,} characters")
        require(str(error) != "", "an error without a message")
        return type(error).__name__
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of polars
        raise FaultError(f"{type(error).__name__}: {error}") from error
    finally:
        more = _peak_memory() - before
        require(more < MOST_MEMORY, f"{more:,} bytes of memory for {len(data):,} bytes")
    return ""


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - like assert
    if not holds:
        raise FaultError(otherwise)


@cache
def scratch() -> Path:
    """Return a folder of this process, which is left: the fuzzer exits without cleaning up."""
    return Path(tempfile.mkdtemp(prefix="nyc-tlc-fuzz-"))


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
