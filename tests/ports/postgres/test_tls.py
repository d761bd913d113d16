"""TLS to Postgres: taken where it is there; with verify-full from the server of that name only.

The embedded server is built without TLS. A proxy ends it here, as some do before a real one.
"""

import asyncio
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nyc_tlc.adapters.postgres.connection import Tls
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.certificates import write_certificate

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_OWN, _OTHER = "127.0.0.1", "192.0.2.1"


@contextmanager
def _tls_proxy(port: int, certificate: Path) -> Iterator[int]:
    """Serve Postgres' own way into TLS before a server that has none; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        streams = [client]
        try:
            first = await reader.readexactly(8)
            if first == _SSL_REQUEST:
                client.write(b"S")
                await client.drain()
                await client.start_tls(context)
                first = b""
            answers, server = await asyncio.open_connection("127.0.0.1", port)
            streams.append(server)
            server.write(first)
            await asyncio.gather(_pipe(reader, server), _pipe(answers, client))
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client did not trust us: that is the test
        finally:
            for stream in streams:
                stream.close()

    with asyncio.Runner() as runner:
        server = runner.run(asyncio.start_server(serve, "127.0.0.1", 0))
        ended = asyncio.Event()
        thread = threading.Thread(target=runner.run, args=(ended.wait(),))
        thread.start()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            runner.get_loop().call_soon_threadsafe(ended.set)
            thread.join()
            server.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ports(postgres, folder) -> Iterator[dict[str, int]]:
    """Where the database is served with the certificate for an address, and without any."""
    with ExitStack() as stack:
        yield {"": postgres.port} | {
            address: stack.enter_context(
                _tls_proxy(postgres.port, write_certificate(folder / address, address))
            )
            for address in (_OWN, _OTHER)
        }


@pytest.mark.parametrize(
    ("certificate", "mode", "root", "outcome"),
    [
        ("", "prefer", None, "plain"),
        ("", "require", None, "does not support SSL"),
        (_OWN, "disable", None, "plain"),
        (_OWN, "prefer", None, "encrypted"),
        (_OWN, "require", None, "encrypted"),
        (_OWN, "verify-ca", _OWN, "encrypted"),
        (_OWN, "verify-ca", _OTHER, "certificate verify failed"),
        (_OWN, "verify-full", _OWN, "encrypted"),
        (_OWN, "verify-full", _OTHER, "certificate verify failed"),
        (_OWN, "verify-full", None, "certificate verify failed"),
        (_OWN, "verify-full", "absent", "does not exist"),
        (_OTHER, "verify-ca", _OTHER, "encrypted"),
        (_OTHER, "verify-full", _OTHER, "does not match host name"),
    ],
)
def test_a_server_that_does_not_prove_itself_as_the_mode_asks_gets_no_password(
    database, ports, folder, certificate, mode, root, outcome
):
    tls = Tls(mode, folder / root if root else None)
    served = replace(database, port=ports[certificate], tls=tls)
    try:
        with served.transaction("tlc") as cursor:
            found = "encrypted" if cursor.connection.info.ssl_in_use else "plain"
    except ConfigurationError as error:
        found = str(error)
        assert f"POSTGRES_SSLMODE={mode}" in found
        assert "no password was sent" in found
        assert database.password not in found
    assert outcome in found
