"""How far downloads have come: one line that moves in a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tqdm

_EVERY = 30.0
"""Seconds between two plain lines of a download."""
_logger = logging.getLogger(__name__)
_turn = threading.Lock()
_running: dict[str, None] = {}
_bar: tqdm.tqdm[Any] | None = None


@contextmanager
def downloading(name: str, total: int | None, initial: int) -> Iterator[Callable[[int], object]]:
    """Show a download, together with the others of this process; call it with bytes that came.

    Args:
        name: Of the file.
        total: Its bytes, if known.
        initial: Those that came before.
    """
    if not _in_terminal():
        yield _plain(name, total, initial)
        return
    with _turn:
        bar = _joined(name, total, initial)
    try:
        yield bar.update
    finally:
        with _turn:
            _left(name)


def _in_terminal() -> bool:
    # Mage redirects both of a block of `mage run` to standard output, and those of a scheduled
    # block to its log, which says of itself that it is the terminal behind it.
    stream = sys.stderr
    return stream in {sys.__stderr__, sys.__stdout__} and bool(stream and stream.isatty())


def _plain(name: str, total: int | None, initial: int) -> Callable[[int], None]:
    came, last = initial, time.monotonic()
    of = f" of {total / 1e6:,.1f}" if total else ""

    def update(more: int) -> None:
        nonlocal came, last
        came += more
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            _logger.info("%s: %s%s MB", name, f"{came / 1e6:,.1f}", of)

    return update


def _joined(name: str, total: int | None, initial: int) -> tqdm.tqdm[Any]:
    global _bar  # noqa: PLW0603 - a terminal has one line for it
    if _bar is None:
        _bar = tqdm.tqdm(total=0, unit="B", unit_scale=True, leave=False)
    _running[name] = None
    _bar.total = (_bar.total or 0) + (total or 0)
    _bar.update(initial)
    _bar.set_description(", ".join(_running))
    return _bar


def _left(name: str) -> None:
    global _bar  # noqa: PLW0603
    _running.pop(name, None)
    if not _running and _bar is not None:
        _bar.close()
        _bar = None
