"""Servers that mean no good: none holds a worker, fills memory or disk, or sends us elsewhere."""

import errno
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nyc_tlc.adapters.source import bounds
from nyc_tlc.adapters.source import cdn as tlc_cdn
from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.errors import PipelineError, RetryableError, SourceError
from nyc_tlc.core.os_errors import os_errors_explained
from tests.ports.broken_servers import Talk, listening

NAME = "trip-data/green_tripdata_2024-01.parquet"
SILENCE = 2.0
"""Seconds."""
ENOUGH = 20.0
"""Seconds after which a hostile server gives up: one that is still listened to then has won."""
MOST_MEMORY = 128 << 20
"""Bytes that a hostile answer may add to the process, whatever it sends."""
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b'ETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n'
MIB = 1 << 20


def sending(first: bytes, endless: bytes, *, pause: float = 0.0, head: bool = True) -> Talk:
    """Says the first, then the other again and again."""

    def talk(client: socket.socket) -> None:
        until = time.monotonic() + ENOUGH
        if head:
            client.recv(65_536)
        client.sendall(first)
        while time.monotonic() < until:
            client.sendall(endless)
            time.sleep(pause)

    return talk


DRIP = 0.05
DRIPPING = {
    "a status line": sending(b"HTTP/1.1 200 ", b"O", pause=DRIP),
    "a header": sending(OK + b"ETag: ", b"x", pause=DRIP),
    "100 Continue": sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=DRIP),
    "100 Continue, fast": sending(b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"),
    "a body": sending(OK + b'ETag: "1"\r\nContent-Length: 9999999\r\n\r\n', b"x", pause=DRIP),
    "a body without a length": sending(OK + b"\r\n", b"x", pause=DRIP),
    "the size of a chunk": sending(CHUNKED, b"0", pause=DRIP),
    "the extension of a chunk": sending(CHUNKED + b"5;", b"x", pause=DRIP),
    "chunks": sending(CHUNKED, b"1\r\nx\r\n", pause=DRIP),
    "trailers": sending(CHUNKED + b"0\r\n", b"A: b\r\n", pause=DRIP),
    "trailers, fast": sending(CHUNKED + b"0\r\n", b"A: b\r\n"),
}
ENCRYPTED = ("a header", "100 Continue", "a body", "a body without a length")


@pytest.fixture
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is measured over half a second."""
    monkeypatch.setattr(tlc_cdn, "_SPANS", 0.5 / SILENCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def in_tls(tls: ssl.SSLContext) -> Callable[[Talk], Talk]:
    """The same talk, encrypted."""

    def encrypted(talk: Talk) -> Talk:
        def wrapped(client: socket.socket) -> None:
            with suppress(ssl.SSLError), tls.wrap_socket(client, server_side=True) as inner:
                talk(inner)

        return wrapped

    return encrypted


@contextmanager
def little_memory() -> Iterator[None]:
    def peak() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = peak()
    yield
    assert peak() - before < MOST_MEMORY


def refused(url: str, folder: Path, error: type[Exception], said: str) -> None:
    source = HttpSource(url, timeout=SILENCE)
    with little_memory(), pytest.raises(error, match=said), os_errors_explained():
        source.fetch(NAME, folder, unless_etag=None)


@pytest.mark.usefixtures("short_spans")
@pytest.mark.parametrize(
    ("scheme", "dripping"),
    [*(("http", name) for name in DRIPPING), *(("https", name) for name in ENCRYPTED)],
)
def test_a_server_that_drips_is_left(folder, in_tls, scheme, dripping):
    talk = in_tls(DRIPPING[dripping]) if scheme == "https" else DRIPPING[dripping]
    with listening(talk) as port:
        refused(f"{scheme}://127.0.0.1:{port}", folder, RetryableError, r"\(too slow\)")
    # Of a body whose end is known the bytes are kept, to go on from there.
    kept = {f"{Path(NAME).name}.part", f"{Path(NAME).name}.part.etag"}
    assert {file.name for file in folder.iterdir()} == (kept if dripping == "a body" else set())


@pytest.mark.usefixtures("short_spans")
@pytest.mark.parametrize("dripping", ["a header", "100 Continue"])
def test_a_server_that_drips_when_asked_about_a_file_is_left(dripping):
    with listening(DRIPPING[dripping]) as port:
        source = HttpSource(f"http://127.0.0.1:{port}", timeout=SILENCE)
        with pytest.raises(RetryableError, match=r"\(too slow\)"):
            source.probe(NAME, unless_etag=None)


@pytest.mark.usefixtures("short_spans")
def test_a_proxy_that_drips_is_left(folder, monkeypatch):
    tunnel = b"HTTP/1.1 200 Connection established\r\n"
    with listening(sending(tunnel, b"A: b\r\n", pause=DRIP)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        refused("https://tlc.example", folder, RetryableError, r"\(too slow\)")


def test_a_slow_line_is_waited_for(folder, monkeypatch):
    """Twice as long as a span, at some 200 KB a second."""
    monkeypatch.setattr(tlc_cdn, "_SPANS", 1 / SILENCE)

    def talk(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(OK + b"Content-Length: 400000\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 20_000)
            time.sleep(0.1)

    with listening(talk) as port:
        source = HttpSource(f"http://127.0.0.1:{port}", timeout=SILENCE)
        fetched = source.fetch(NAME, folder, unless_etag=None)
    assert fetched is not None
    assert fetched.bytes == 400_000


ENDLESS = {
    "a body": OK + b'ETag: "1"\r\n\r\n',
    "a page for 404": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "a page for 500": b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /trip-data/x\r\n\r\n",
    "a redirect elsewhere": b"HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/\r\n\r\n",
    "the size of a chunk": CHUNKED,
    "a header": OK + b"ETag: ",
}
REFUSALS: Mapping[str, tuple[type[Exception], str]] = {
    "a body": (SourceError, "more than 8,388,608 bytes"),
    "a page for 404": (Exception, "404"),
    "a page for 500": (RetryableError, "500"),
    "a redirect": (SourceError, "without end"),
    "a redirect elsewhere": (SourceError, "sends us on to https://192.0.2.1, expected"),
    "the size of a chunk": (RetryableError, "framing|failed"),
    "a header": (RetryableError, "cannot be asked"),
}


@pytest.mark.parametrize("endless", ENDLESS)
def test_what_has_no_end_fills_neither_memory_nor_disk(folder, in_tls, endless, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_FILE_BYTES", 8 * MIB)
    talk = in_tls(sending(ENDLESS[endless], b"0" * MIB))
    error, said = REFUSALS[endless]
    with listening(talk) as port:
        refused(f"https://127.0.0.1:{port}", folder, error, said)
    assert list(folder.iterdir()) == []


def test_chunks_without_end_are_refused_at_the_largest_size(folder, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_FILE_BYTES", 8 * MIB)
    chunk = b"100000\r\n" + b"0" * MIB + b"\r\n"
    with listening(sending(CHUNKED, chunk)) as port:
        refused(f"http://127.0.0.1:{port}", folder, SourceError, "more than 8,388,608 bytes")
    assert list(folder.iterdir()) == []


def test_the_zones_have_bounds_of_their_own(folder):
    with listening(sending(OK + b"Content-Length: 99999999\r\n\r\n", b"0" * MIB)) as port:
        source = HttpSource(f"http://127.0.0.1:{port}", timeout=SILENCE)
        with pytest.raises(SourceError, match=r"99,999,999 bytes, expected at most 8,388,608\."):
            source.fetch("misc/taxi_zones.zip", folder, unless_etag=None)


def _announcing(size: int) -> Talk:
    head = OK + b'ETag: "1"\r\nContent-Length: ' + str(size).encode() + b"\r\n\r\n"
    return sending(head, b"0" * MIB)


def test_a_file_for_which_there_is_no_room_is_not_begun(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_FILE_BYTES", 1 << 60)
    with listening(_announcing(1 << 50)) as port:
        refused(f"http://127.0.0.1:{port}", folder, RetryableError, "ENOSPC.*Make room")
    assert list(folder.iterdir()) == []
    huge = tmp_path / Path(NAME).name
    with huge.open("wb") as file:
        file.truncate(1 << 42)  # takes no room itself
    with pytest.raises(OSError, match="no room for 4,398,046,511,104 bytes") as failure:
        FolderSource(tmp_path).fetch(NAME, folder, unless_etag=None)
    assert failure.value.errno == errno.ENOSPC
    assert list(folder.iterdir()) == []


def test_a_body_without_a_length_leaves_room_on_the_disk(folder, monkeypatch):
    """The disk has 16 MB left, of 100; what is free falls as the download grows."""

    def usage(place: Path) -> tuple[int, int, int]:
        taken = sum(file.stat().st_size for file in place.iterdir())
        most.append(taken)
        return bounds.shutil._ntuple_diskusage(100 * MIB, 84 * MIB + taken, 16 * MIB - taken)

    most: list[int] = []
    monkeypatch.setattr(bounds.shutil, "disk_usage", usage)
    with listening(sending(OK + b"\r\n", b"0" * MIB)) as port:
        refused(f"http://127.0.0.1:{port}", folder, RetryableError, "ENOSPC.*Make room")
    assert 10 * MIB < max(most) < 12 * MIB
    assert list(folder.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """The system refuses to write past 1 MB, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_what_the_disk_refused_is_not_kept(folder, tmp_path):
    with listening(_announcing(4 * MIB)) as port:
        refused(f"http://127.0.0.1:{port}", folder, PipelineError, "EFBIG")
    assert list(folder.iterdir()) == []
    with (tmp_path / Path(NAME).name).open("wb") as file:
        file.write(b"0" * MIB)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB // 2, resource.RLIM_INFINITY))
    with pytest.raises(OSError, match="File too large"):
        FolderSource(tmp_path).fetch(NAME, folder, unless_etag=None)
    assert list(folder.iterdir()) == []


ELSEWHERE = (
    "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/", "https://100.100.100.200/",
    "https://168.63.129.16/", "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:a9fe:a9fe::]/",
    "https://2852039166/", "https://0251.0376.0251.0376/", "https://0xa9fea9fe/",
    "https://metadata.google.internal/", "https://localhost:{port}/", "https://127.0.0.1/",
    "https://127.0.0.1:22/", "https://127.1:{port}/", "https://evil.example/",
    "https://127.0.0.1:{port}@evil.example/",
    "https://127.0.0.1:{port}.evil.example/", "//evil.example/",
    "http://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/", "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "data:,PAR1", "javascript:0",
    "https://127.0.0.1:{port}\t@evil.example/", "https://xn--/",
)  # fmt: skip


@pytest.mark.parametrize("location", ELSEWHERE)
def test_no_redirect_leads_to_a_host_that_the_settings_do_not_name(folder, in_tls, location):
    asked: list[int] = []

    def talk(client: socket.socket) -> None:
        client.recv(65_536)
        asked.append(1)
        where = location.format(port=client.getsockname()[1])
        client.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode())

    with listening(in_tls(talk)) as port:
        refused(f"https://127.0.0.1:{port}", folder, SourceError, "sends us on to ")
    assert asked == [1]


@pytest.mark.parametrize(
    "location", ["/x", "https://", "\\\\evil.example/", "https://evil.example\\@{place}/"]
)
def test_a_redirect_to_the_same_host_is_followed_five_times(folder, in_tls, location):
    """Also one that other parsers than that of the request take for another host's."""
    asked: list[int] = []

    def talk(client: socket.socket) -> None:
        client.recv(65_536)
        asked.append(1)
        where = location.format(place=f"127.0.0.1:{client.getsockname()[1]}")
        client.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode())

    with listening(in_tls(talk)) as port:
        refused(f"https://127.0.0.1:{port}", folder, SourceError, "it redirects without end")
    assert asked == [1] * 6


def test_a_304_that_nobody_asked_for_is_refused(folder):
    with listening(sending(b"HTTP/1.1 304 Not Modified\r\n\r\n", b"")) as port:
        source = HttpSource(f"http://127.0.0.1:{port}", timeout=SILENCE)
        for ask in (
            lambda: source.fetch(NAME, folder, unless_etag=None),
            lambda: source.probe(NAME, unless_etag=None),
        ):
            with pytest.raises(SourceError, match="answered 304 Not Modified, expected 200"):
                ask()
        assert source.fetch(NAME, folder, unless_etag='"1"') is None
