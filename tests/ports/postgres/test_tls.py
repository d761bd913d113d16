"""TLS to Postgres: taken where it is there; with verify-full from the server of that name only.

The embedded server is built without TLS. A proxy ends it here, as some do before a real one.
"""

import asyncio
import ipaddress
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nyc_tlc.adapters.postgres.connection import Database, Tls
from nyc_tlc.core.errors import ConfigurationError

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_OWN, _OTHER = "127.0.0.1", "192.0.2.1"


def _write_certificate(address: str, folder: Path) -> None:
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
    (folder / f"{address}.crt").write_bytes(certificate.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{address}.key").write_bytes(key.private_bytes(pem, *plain))


@contextmanager
def _tls_proxy(port: int, certificate: Path) -> Iterator[int]:
    """Serve Postgres' own way into TLS before a server that has none; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

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
    """A certificate for the server's address, and one for another."""
    folder = tmp_path_factory.mktemp("certificates")
    for address in (_OWN, _OTHER):
        _write_certificate(address, folder)
    return folder


@pytest.fixture(scope="module", params=[_OWN])
def port(request, postgres, folder) -> Iterator[int]:
    """Where the database is served with TLS under the certificate for an address."""
    with _tls_proxy(postgres.port or 0, folder / f"{request.param}.crt") as port:
        yield port


def _encrypted(database: Database, mode: str, root: Path | None) -> bool:
    with replace(database, tls=Tls(mode, root)).transaction("tlc") as cursor:
        return bool(cursor.connection.info.ssl_in_use)


@pytest.mark.parametrize(
    ("mode", "root", "encrypted"),
    [
        ("disable", None, False),
        ("prefer", None, True),
        ("require", None, True),
        ("verify-ca", f"{_OWN}.crt", True),
        ("verify-full", f"{_OWN}.crt", True),
    ],
)
def test_a_server_with_tls_is_reached(database, port, folder, mode, root, encrypted):
    served = replace(database, port=port)
    assert _encrypted(served, mode, folder / root if root else None) is encrypted


@pytest.mark.parametrize(
    ("mode", "root", "said"),
    [
        ("verify-ca", f"{_OTHER}.crt", "certificate verify failed"),
        ("verify-full", f"{_OTHER}.crt", "certificate verify failed"),
        ("verify-full", None, "certificate verify failed"),
        ("verify-full", "absent.crt", "does not exist"),
    ],
)
def test_a_server_that_does_not_prove_itself_gets_no_password(
    database, port, folder, mode, root, said
):
    with pytest.raises(ConfigurationError, match=said) as caught:
        _encrypted(replace(database, port=port), mode, folder / root if root else None)
    assert f"POSTGRES_SSLMODE={mode}" in str(caught.value)
    assert "no password was sent" in str(caught.value)
    assert database.password not in str(caught.value)


@pytest.mark.parametrize("port", [_OTHER], indirect=True)
def test_a_certificate_of_another_host_is_refused_by_verify_full_alone(database, port, folder):
    other, root = replace(database, port=port), folder / f"{_OTHER}.crt"
    assert _encrypted(other, "verify-ca", root)
    with pytest.raises(ConfigurationError, match="does not match host name"):
        _encrypted(other, "verify-full", root)


def test_a_server_without_tls_is_refused_where_tls_is_required(database):
    assert not _encrypted(database, "prefer", None)
    with pytest.raises(ConfigurationError, match="does not support SSL"):
        _encrypted(database, "require", None)
