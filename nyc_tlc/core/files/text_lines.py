"""Lines of a text that is too large for memory: counted, and cut into pieces at their ends.

A line ends in LF or CRLF, the last one perhaps in nothing. A line without anything before its
end is blank; one of spaces is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from nyc_tlc.core.limits import LONGEST_LINE

CHUNK_BYTES = 1 << 20
"""Read at once: what stays in the processor's cache is counted and parsed fastest."""

_LF, _CR = 10, 13


class OverlongLineError(Exception):
    """A line does not end within ``LONGEST_LINE``."""


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes: ...


def read_chunks(stream: Readable) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def count_lines(chunks: Iterable[bytes]) -> int:
    """Lines that are not blank, wherever the chunks are cut."""
    lines, last = 0, b"\n\n"
    for chunk in chunks:
        window = last + chunk
        octets = np.frombuffer(window, np.uint8)
        ends = np.flatnonzero(octets[2:] == _LF) + 2
        before = octets[ends - 1]
        blank = (before == _LF) | (before == _CR) & (octets[ends - 2] == _LF)
        lines += ends.size - int(np.count_nonzero(blank))
        last = window[-2:]
    unended = not last.endswith(b"\n") and last != b"\n\r"
    return lines + unended


def has_stray_return(text: bytes) -> bool:
    """Whether a carriage return stands elsewhere than at a line's end."""
    octets = np.frombuffer(text, np.uint8)
    returns = np.flatnonzero(octets[:-1] == _CR)
    return bool((octets[returns + 1] != _LF).any())


def cut_at_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut so that every piece consists of whole lines.

    Raises:
        OverlongLineError: a line never ends; the pieces before it have been yielded.
    """
    rest = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(chunk)[:end]))
            rest = chunk[end:]
            continue
        rest += chunk
        if len(rest) > LONGEST_LINE:
            raise OverlongLineError(f"a line of more than {LONGEST_LINE:,} bytes")
    if rest:
        yield rest
