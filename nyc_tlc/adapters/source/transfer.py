"""Transfers that are ended when they bring too little.

The time-out of a socket bounds one silence. A server that sends a byte before each ends keeps us
waiting for ever: in the headers, in the frames of a body, or by ``100 Continue`` without an answer.
"""

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError

from nyc_tlc.core.limits import LEAST_BYTES_PER_SECOND

_current: ContextVar["Transfer | None"] = ContextVar("transfer", default=None)


class Transfer:
    """One request with its answer: what this thread asks for within the context.

    In each of its spans it has to bring ``LEAST_BYTES_PER_SECOND``; else its connections are shut
    down, so that whoever reads from them meets the end of the stream.

    Attributes:
        span: Seconds over which progress is measured.
        least: Bytes that have to come in them.
        too_slow: Whether it was ended.
    """

    def __init__(self, span: float) -> None:
        self.span = span
        self.too_slow = False
        self.least = LEAST_BYTES_PER_SECOND * span
        self._came = 0.0
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._before = _current.set(self)
        self._watching.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        _current.reset(self._before)
        self._over.set()
        self._watching.join()

    def answered(self) -> None:
        """The headers are complete: the body has a span of its own.

        Raises:
            ProtocolError: they were ended.
        """
        self.require_pace()
        self._came += self.least

    def came(self, size: int) -> None:
        """So many bytes of the body came."""
        self._came += size

    def require_pace(self) -> None:
        """Tell the end of the stream from ours: headers and a body without a length end by it.

        Raises:
            ProtocolError: the transfer was ended.
        """
        if self.too_slow:
            raise ProtocolError

    def uses(self, connection: socket.socket) -> None:
        """Its bytes come through this connection, too."""
        self._sockets.append(connection)
        if self.too_slow:
            self._end()

    def _watch(self) -> None:
        before = 0.0
        while not self._over.wait(self.span):
            if self._came - before < self.least:
                self.too_slow = True
                self._end()
                return
            before = self._came

    def _end(self) -> None:
        for connection in self._sockets:
            with suppress(OSError):  # closed, or wrapped into TLS since
                # Not its own method: that of TLS gives up the session, which another thread reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    """A connection that a transfer can end."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        if transfer := _current.get():
            transfer.uses(connection)  # a proxy may drip before there is TLS
        return connection

    def _tunnel(self) -> None:
        super()._tunnel()
        if transfer := _current.get():
            transfer.require_pace()

    def getresponse(self) -> Any:  # noqa: ANN401 - as there
        if transfer := _current.get():
            transfer.uses(self.sock)
        return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class WatchedAdapter(HTTPAdapter):
    """Makes connections of requests that transfers can end, through proxies too."""

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:  # noqa: ANN401 - as there
        super().init_poolmanager(*sizes, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:  # noqa: ANN401 - as there
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager
