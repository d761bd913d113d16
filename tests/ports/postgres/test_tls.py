"""TLS to Postgres: taken where it is there; with verify-full from the server of that name only.

The embedded server is built without TLS. A proxy ends it here, as some do before a real one.
"""

import asyncio
import ipaddress
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nyc_tlc.adapters.postgres.connection import Tls
from nyc_tlc.core.errors import ConfigurationError

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_OWN, _OTHER = "127.0.0.1", "192.0.2.1"


def _write_certificate(address: str, folder: Path) -> Path:
    """Write a certificate for an address, which is its own root, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"postgres at {address}")])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(addresses, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / address).write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *plain))
    return folder / address


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
        certificates = {address: _write_certificate(address, folder) for address in (_OWN, _OTHER)}
        yield {"": postgres.port} | {
            address: stack.enter_context(_tls_proxy(postgres.port, certificate))
            for address, certificate in certificates.items()
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
