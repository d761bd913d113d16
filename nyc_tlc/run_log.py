"""Where the pipeline's log goes."""

from __future__ import annotations

import logging
import sys
from typing import TextIO


def tell(level: str) -> None:
    """Send the pipeline's log to standard output, where Mage collects what a block says."""
    logger = logging.getLogger("nyc_tlc")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        handler = _StdoutHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


class _StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stdout`` is now: Mage redirects it anew for every block."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass
