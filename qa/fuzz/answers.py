"""Servers whose answers are the fuzzer's bytes, read by the real HTTP client without a network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

SEPARATOR = b"\n--8<--\n"
"""Stands between the answers of one input: the first connection gets the first."""

_getaddrinfo = socket.getaddrinfo


@contextmanager
def answering(data: bytes) -> Iterator[None]:
    """Answer each new connection with the next part, and then with nothing."""
    answers = iter(data.split(SEPARATOR))
    with ExitStack() as opened:

        def connect(*_: object, **__: object) -> socket.socket:
            ours, theirs = (opened.enter_context(end) for end in socket.socketpair())
            theirs.sendall(next(answers, b""))
            theirs.shutdown(socket.SHUT_WR)
            return ours

        opened.enter_context(mock.patch("urllib3.util.connection.create_connection", connect))
        # Addresses are understood, names are not asked about.
        numeric = partial(_getaddrinfo, flags=socket.AI_NUMERICHOST)
        opened.enter_context(mock.patch("socket.getaddrinfo", numeric))
        opened.enter_context(mock.patch.dict(os.environ, {"NO_PROXY": "*"}))
        yield
