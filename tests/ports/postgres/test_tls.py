"""TLS to Postgres: taken where it is there; with verify-full from the server of that name only.

The embedded server is built without TLS. A proxy ends it here, as some do before a real one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.postgres.connection import Database, Tls
from nyc_tlc.core.errors import ConfigurationError

_SSL_REQUEST = struct.pack("!II", 8, 80877103)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, [], is_authority=True)

    def issue(self, *addresses: str) -> tuple[str, str]:
        """Certificate and key, as PEM, of a server with these addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "postgres")])
        certificate = self._signed(subject, key, list(addresses), is_authority=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return certificate, private.decode()

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, addresses: list[str],
        *, is_authority: bool,
    ) -> str:  # fmt: skip
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if addresses:
            names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


@contextmanager
def _tls_proxy(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Serve Postgres' own way into TLS before a server that has none; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

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
def authority() -> Authority:
    return Authority("the right one")


@pytest.fixture(scope="module")
def roots(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    files = {"right": authority.certificate, "wrong": Authority("another").certificate}
    for name, pem in files.items():
        (folder / f"{name}.pem").write_text(pem)
    return {name: folder / f"{name}.pem" for name in (*files, "absent")}


@pytest.fixture(scope="module")
def serve(
    postgres: PostgresServer, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Database]]:
    """Serve the database with TLS under a certificate for these addresses."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as running:

        def serve(database: Database, address: str) -> Database:
            files = [folder / f"{address}.{part}" for part in ("crt", "key")]
            for file, pem in zip(files, authority.issue(address), strict=True):
                file.write_text(pem)
            port = running.enter_context(_tls_proxy(postgres.port or 0, *files))
            return replace(database, port=port)

        yield serve


@pytest.fixture
def served(database: Database, serve: Callable[..., Database]) -> Database:
    """The database under the certificate of its own address."""
    return serve(database, "127.0.0.1")


def _encrypted(database: Database, mode: str, root: Path | None) -> bool:
    with replace(database, tls=Tls(mode, root)).transaction("tlc") as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.connection.info.ssl_in_use)


@pytest.mark.parametrize(
    ("mode", "root", "encrypted"),
    [
        ("disable", None, False),
        ("prefer", None, True),
        ("require", None, True),
        ("verify-ca", "right", True),
        ("verify-full", "right", True),
    ],
)
def test_a_server_with_tls_is_reached(
    served: Database, roots: dict[str, Path], mode: str, root: str | None, encrypted: bool
) -> None:
    assert _encrypted(served, mode, roots[root] if root else None) is encrypted


@pytest.mark.parametrize(
    ("mode", "root", "said"),
    [
        ("verify-ca", "wrong", "certificate verify failed"),
        ("verify-full", "wrong", "certificate verify failed"),
        ("verify-full", None, "certificate verify failed"),
        ("verify-full", "absent", "does not exist"),
    ],
)
def test_a_server_that_does_not_prove_itself_gets_no_password(
    served: Database, roots: dict[str, Path], mode: str, root: str | None, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        _encrypted(served, mode, roots[root] if root else None)
    assert f"POSTGRES_SSLMODE={mode}" in str(caught.value)
    assert "no password was sent" in str(caught.value)
    assert served.password not in str(caught.value)


def test_a_certificate_of_another_host_is_refused_by_verify_full_alone(
    database: Database, serve: Callable[..., Database], roots: dict[str, Path]
) -> None:
    other = serve(database, "192.0.2.1")
    assert _encrypted(other, "verify-ca", roots["right"])
    with pytest.raises(ConfigurationError, match="does not match host name"):
        _encrypted(other, "verify-full", roots["right"])


def test_a_server_without_tls_is_refused_where_tls_is_required(database: Database) -> None:
    assert not _encrypted(database, "prefer", None)
    with pytest.raises(ConfigurationError, match="does not support SSL"):
        _encrypted(database, "require", None)
