"""Servers of other clouds' protocols: moto for S3, Microsoft's Azurite for Azure.

Each is installed into a folder of its own under .local/, because its packages must not come into
the project's environment: moto at its first use, Azurite by `make azurite` (200 MB, a minute).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path

from embedded.servers.ports import HOST, free_port

BUCKET = "nyc-tlc-lake"
AZURITE = "azurite@3.37.0"
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (  # the one that Microsoft documents for every emulator
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_INSTALLED = Path(__file__).parents[3] / ".local" / "test-servers"
_PINS = Path(__file__).with_name("moto.txt")
_ANSWERS_WITHIN = 30.0


class CannotInstallError(Exception):
    """The server cannot be installed here; says why."""


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
    folder = _installed(f"moto-{_digest(_PINS.read_bytes())}", _install_moto)
    port = free_port()
    command = [folder / "bin" / "python", "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with _running(command, port) as endpoint:
        urllib.request.urlopen(
            urllib.request.Request(f"{endpoint}/{BUCKET}", data=b"", method="PUT")
        ).close()
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
    node, folder = shutil.which("node"), _INSTALLED / AZURITE
    if node is None or not (folder / "installed").exists():
        raise CannotInstallError(
            "Azurite is not installed: `make azurite` does it, with node and npm"
        )
    port = free_port()
    script = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    command = [
        node, script, "--blobHost", HOST, "--blobPort", str(port), "--inMemoryPersistence",
        "--silent", "--skipApiVersionCheck", "--disableTelemetry",
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


def _install_moto(folder: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    _run([uv, "venv", "--quiet", "--python", sys.executable, folder])
    _run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python",
          "--requirement", _PINS])  # fmt: skip


def install_azurite() -> None:
    """Install Microsoft's emulator of Azure Storage by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstallError("Azurite needs npm, which is not installed")
    _installed(
        AZURITE,
        lambda folder: _run(
            [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, AZURITE]
        ),
    )


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    """The folder of a server, installed once for all processes that test at the same time."""
    folder = _INSTALLED / name
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    with (_INSTALLED / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            done.touch()
    return folder


def _run(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"it cannot be installed ({error})") from error
    if done.returncode:
        raise CannotInstallError(f"it cannot be installed: {' '.join(done.stderr.split())[-500:]}")


@contextmanager
def _running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    """A server in the background; its address once it answers."""
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment()
    )
    try:
        _await(server, port)
        yield f"http://{HOST}:{port}"
    finally:
        server.terminate()
        server.wait()


def _await(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=2).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not answer (exit status {server.poll()})")


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


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
        "Content-Type": "",
        "Content-Length": "0",
    }
    request = urllib.request.Request(
        f"{endpoint}/{BUCKET}?restype=container", data=b"", method="PUT", headers=headers
    )
    urllib.request.urlopen(request).close()


def _digest(pins: bytes) -> str:
    return hashlib.sha256(pins).hexdigest()[:12]


if __name__ == "__main__":
    install_azurite()
