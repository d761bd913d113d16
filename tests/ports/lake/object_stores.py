"""Servers of other clouds' protocols: moto for S3, Microsoft's Azurite for Azure.

Each is installed below .local/, because its packages must not come into the project's environment:
moto at its first use, Azurite by `make azurite` (200 MB, a minute).
"""

import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path

import requests

from embedded.servers.environment import NotInstallableError, own_python
from embedded.servers.ports import HOST, free_port
from tests.ports.meanwhile import wait_until

BUCKET = "nyc-tlc-lake"
AZURITE = "azurite@3.37.0"
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (  # the one that Microsoft documents for every emulator
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_SERVERS = Path(__file__).parents[3] / ".local" / "test-servers"
_MOTO_PINS = Path(__file__).with_name("moto.txt")


@dataclass(frozen=True)
class ObjectStore:
    """A server with one bucket.

    Attributes:
        variables: What points a client at it.
    """

    url: str
    variables: dict[str, str]


@contextmanager
def s3_server() -> Iterator[ObjectStore]:
    """Serve S3 by moto, which keeps objects in memory and heeds If-Match and If-None-Match."""
    port = free_port()
    command = [own_python(_MOTO_PINS), "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with _running(command, port) as endpoint:
        requests.put(f"{endpoint}/{BUCKET}", timeout=10).raise_for_status()
        variables = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_REGION": "us-east-1",
        }
        yield ObjectStore(f"s3://{BUCKET}", variables)


@contextmanager
def azure_server() -> Iterator[ObjectStore]:
    """Serve Azure Blob Storage by Azurite, objects in memory."""
    node, modules = shutil.which("node"), _SERVERS / AZURITE / "node_modules"
    if node is None or not (modules / ".package-lock.json").exists():  # npm writes it last
        raise NotInstallableError(
            "Azurite is not installed: `make azurite` does it, with node and npm"
        )
    port = free_port()
    command = [
        node, modules / "azurite" / "dist" / "src" / "blob" / "main.js", "--blobHost", HOST,
        "--blobPort", str(port), "--inMemoryPersistence", "--silent", "--skipApiVersionCheck",
        "--disableTelemetry",
    ]  # fmt: skip
    with _running(command, port) as address:
        endpoint = f"{address}/{AZURITE_ACCOUNT}"
        _make_container(endpoint)
        variables = {
            "AZURE_STORAGE_ACCOUNT_NAME": AZURITE_ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": endpoint,
        }
        yield ObjectStore(f"az://{BUCKET}", variables)


@contextmanager
def _running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    """Run a server in the background, without our variables; gives its address once it answers."""
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in kept if name in os.environ},
    )
    address = f"http://{HOST}:{port}"

    def answers() -> bool:
        assert server.poll() is None, f"the server ended with status {server.poll()}"
        with suppress(requests.RequestException):
            requests.get(address, timeout=2).close()
            return True
        return False

    try:
        wait_until(answers)
        yield address
    finally:
        server.terminate()
        server.wait()


def _make_container(endpoint: str) -> None:
    """Sign one request by hand: obstore makes no containers."""
    version = "2023-11-03"
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    resource = f"/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{BUCKET}\nrestype:container"
    text = "PUT" + "\n" * 12 + f"x-ms-date:{now}\nx-ms-version:{version}\n{resource}"
    signature = b64encode(hmac(b64decode(AZURITE_KEY), text.encode(), sha256).digest()).decode()
    headers = {
        "x-ms-date": now,
        "x-ms-version": version,
        "Authorization": f"SharedKey {AZURITE_ACCOUNT}:{signature}",
    }
    url = f"{endpoint}/{BUCKET}?restype=container"
    requests.put(url, headers=headers, timeout=10).raise_for_status()


if __name__ == "__main__":
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix"]
    subprocess.run([*install, _SERVERS / AZURITE, AZURITE], check=True)
