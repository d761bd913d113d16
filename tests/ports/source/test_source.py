"""What landing relies on in a source, whichever it is, and what a web server can do to it."""

import hashlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.servers.cdn import CdnServer
from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.errors import RetryableError, SourceError
from nyc_tlc.ports.source import Fetched, Probed, Source, SourceFileAbsentError
from tests.ports.scripted_http import Answer, ScriptedServer, serve

NAME = "trip-data/green_tripdata_2024-01.parquet"
CONTENT = os.urandom(3_000_000)
OTHER = os.urandom(3_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The published files, laid out as on the CDN."""
    root = tmp_path / "published files"
    (root / "trip-data").mkdir(parents=True)
    (root / NAME).write_bytes(CONTENT)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where fetched files go."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def cdn(root: Path) -> Iterator[CdnServer]:
    with CdnServer(root) as server:
        yield server


@pytest.fixture
def http(cdn: CdnServer) -> HttpSource:
    return HttpSource(cdn.url, timeout=5)


@pytest.fixture(params=["folder", "http"])
def source(request: pytest.FixtureRequest, root: Path) -> Source:
    return FolderSource(root) if request.param == "folder" else request.getfixturevalue("http")


Scripted = Callable[..., tuple[HttpSource, ScriptedServer]]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A source that gives these answers, one per request; the last one from then on."""
    with ExitStack() as servers:

        def start(*answers: Answer) -> tuple[HttpSource, ScriptedServer]:
            left = list(answers)
            server = serve(lambda _request: left.pop(0) if len(left) > 1 else left[0])
            running = servers.enter_context(server)
            return HttpSource(running.url, timeout=5), running

        yield start


def _fetch(source: Source, folder: Path, unless_etag: str | None = None) -> Fetched:
    fetched = source.fetch(NAME, folder, unless_etag=unless_etag)
    assert fetched is not None
    return fetched


def _fetched_in_tries(tries: int, source: Source, folder: Path) -> bytes:
    """Content that comes in the last of so many tries."""
    for _ in range(tries - 1):
        with pytest.raises(RetryableError):
            _fetch(source, folder)
    return _fetch(source, folder).path.read_bytes()


def test_fetched_file_is_the_published_one_which_stays(
    source: Source, folder: Path, root: Path
) -> None:
    (folder / Path(NAME).name).write_bytes(b"older, and of another length")
    probed = source.probe(NAME, unless_etag=None)
    fetched = _fetch(source, folder)
    assert fetched.path == folder / "green_tripdata_2024-01.parquet"
    assert fetched.path.read_bytes() == (root / NAME).read_bytes() == CONTENT
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert fetched.uri.endswith(f"/{NAME}")
    assert fetched.etag
    assert fetched.last_modified
    assert list(folder.iterdir()) == [fetched.path]
    assert probed == Probed(fetched.uri, fetched.etag, fetched.last_modified, len(CONTENT))
    assert fetched.bytes == len(CONTENT)


def test_only_a_changed_file_is_fetched_again(source: Source, folder: Path, root: Path) -> None:
    first = _fetch(source, folder)
    first.path.unlink()
    assert source.fetch(NAME, folder, unless_etag=first.etag) is None
    assert source.probe(NAME, unless_etag=first.etag) is None
    assert list(folder.iterdir()) == []
    (root / NAME).write_bytes(OTHER[:9])
    probed = source.probe(NAME, unless_etag=first.etag)
    second = _fetch(source, folder, unless_etag=first.etag)
    assert probed is not None
    assert (probed.bytes, probed.etag) == (9, second.etag)
    assert second.path.read_bytes() == OTHER[:9]
    assert second.etag != first.etag
    assert second.sha256 == hashlib.sha256(OTHER[:9]).hexdigest()


def test_empty_file_is_fetched(source: Source, folder: Path, root: Path) -> None:
    (root / NAME).write_bytes(b"")
    fetched = _fetch(source, folder)
    assert (fetched.bytes, fetched.path.read_bytes()) == (0, b"")


def test_file_that_is_not_there_is_named(source: Source, folder: Path) -> None:
    absent = "trip-data/green_tripdata_2099-01.parquet"
    for ask in (
        lambda: source.fetch(absent, folder, unless_etag=None),
        lambda: source.probe(absent, unless_etag='"1"'),
    ):
        with pytest.raises(SourceFileAbsentError, match=r"2099-01\.parquet answered"):
            ask()
    assert list(folder.iterdir()) == []


def test_folder_may_hold_all_files_side_by_side(tmp_path: Path, folder: Path) -> None:
    (tmp_path / Path(NAME).name).write_bytes(CONTENT)
    assert _fetch(FolderSource(tmp_path), folder).bytes == len(CONTENT)


def test_broken_download_resumes_where_it_stopped_in_another_process(
    cdn: CdnServer, folder: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000, times=2)
    kept = [0]
    for _ in range(2):
        with pytest.raises(RetryableError):
            _fetch(HttpSource(cdn.url, timeout=5), folder)
        kept.append((folder / f"{Path(NAME).name}.part").stat().st_size)
    assert 0 < kept[1] < kept[2] <= 2_000_000
    assert not (folder / Path(NAME).name).exists()
    fetched = _fetch(HttpSource(cdn.url, timeout=5), folder)
    assert fetched.path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [fetched.path]
    assert [request.status for request in cdn.requests] == [200, 206, 206]
    for size, request in zip(kept[1:], cdn.requests[1:], strict=True):
        assert request.headers["Range"] == f"bytes={size}-"
        assert request.headers["If-Range"] == fetched.etag
    assert cdn.requests[-1].bytes_sent == len(CONTENT) - kept[2]
    assert cdn.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("revision", [OTHER, OTHER[:1000]], ids=["changed", "shorter"])
def test_file_that_changed_between_two_ranges_is_fetched_from_scratch(
    cdn: CdnServer, http: HttpSource, folder: Path, root: Path, revision: bytes
) -> None:
    cdn.cut_next(after_bytes=1_500_000)
    with pytest.raises(RetryableError):
        _fetch(http, folder)
    (root / NAME).write_bytes(revision)
    assert _fetch(http, folder).path.read_bytes() == revision
    assert [request.status for request in cdn.requests] == [200, 200]


def test_download_that_lacks_nothing_but_its_name_is_fetched_in_two_tries(
    http: HttpSource, folder: Path
) -> None:
    etag = _fetch(http, folder).etag
    part = folder / f"{Path(NAME).name}.part"
    (folder / Path(NAME).name).rename(part)
    (folder / f"{part.name}.etag").write_text(etag or "")
    # 416 at first: there is nothing after the last byte
    assert _fetched_in_tries(2, http, folder) == CONTENT


def test_trouble_while_resuming_keeps_what_has_come(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000)
    cdn.fail_next()
    assert _fetched_in_tries(3, http, folder) == CONTENT
    assert cdn.requests[-1].status == 206


RETRYABLE = (RetryableError, "{} ")
ABSENT = (SourceFileAbsentError, NAME + " answered {}")
FOR_PEOPLE = (SourceError, "{}.*TLC_SOURCE_URL")
REFUSALS = (
    dict.fromkeys((408, 429, 500, 502, 503, 504), RETRYABLE)
    | dict.fromkeys((403, 404, 410), ABSENT)
    | dict.fromkeys((400, 401, 405, 418), FOR_PEOPLE)
)


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("retry_after", [None, 7.0])
def test_refusal_is_passing_or_means_that_there_is_no_file_or_is_for_people(
    folder: Path, scripted: Scripted, status: int, retry_after: float | None
) -> None:
    error, said = REFUSALS[status]
    headers = {"Retry-After": f"{retry_after:.0f}"} if retry_after else {}
    source, _ = scripted(Answer(status, headers))
    for ask in (lambda: _fetch(source, folder), lambda: source.probe(NAME, unless_etag=None)):
        with pytest.raises(error, match=said.format(status)) as failure:
            ask()
        if error is RetryableError:
            assert failure.value.retry_after == retry_after
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "9" * 5_000,
        "in a while",
        "-1",
    ],
    ids=[
        "a zone of 20 digits",
        "year 1",
        "year 99999",
        "year 99999999999",
        "5000 digits",
        "text",
        "negative",
    ],
)
def test_pause_that_no_calendar_has_is_none(scripted: Scripted, asked: str) -> None:
    source, _ = scripted(Answer(503, {"Retry-After": asked}))
    with pytest.raises(RetryableError) as failure:
        source.probe(NAME, unless_etag=None)
    assert failure.value.retry_after in {None, 0.0}


@pytest.mark.parametrize("after_bytes", [0, 1_000_000])
def test_silent_server_is_retryable(cdn: CdnServer, folder: Path, after_bytes: int) -> None:
    cdn.stall_next(30, after_bytes=after_bytes)
    with pytest.raises(RetryableError):
        _fetch(HttpSource(cdn.url, timeout=0.3), folder)
    assert _fetch(HttpSource(cdn.url, timeout=5), folder).path.read_bytes() == CONTENT


def test_server_that_never_answers_is_retryable(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(RetryableError):
            _fetch(HttpSource(url, timeout=0.3), folder)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (
            "http://127.0.0.1:1",
            RetryableError,
            r"\(TLC_SOURCE_URL\).*nothing listens at 127.0.0.1:1 ",
        ),
        ("http://", SourceError, "TLC_SOURCE_URL"),
    ],
    ids=["gone", "no address"],
)
def test_server_that_is_not_there_is_told_from_an_address_that_is_none(
    folder: Path, url: str, error: type[Exception], said: str
) -> None:
    source = HttpSource(url, timeout=1)
    for ask in (lambda: _fetch(source, folder), lambda: source.probe(NAME, unless_etag=None)):
        with pytest.raises(error, match=said):
            ask()
    assert list(folder.iterdir()) == []


def test_redirect_is_followed_with_its_range(
    cdn: CdnServer, folder: Path, scripted: Scripted, tls: ssl.SSLContext
) -> None:
    """As GitHub redirects, which has the CSV mirror."""
    _, front = scripted(Answer(302, {"Location": f"https://127.0.0.1:{cdn.server_port}/{NAME}"}))
    front.url = front.url.replace("http", "https")
    for server in (cdn, front):
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    named = [f"127.0.0.1:{cdn.server_port}"]
    source = HttpSource(front.url.replace("//", "//me:secret@"), timeout=5, redirect_hosts=named)
    cdn.cut_next(after_bytes=1_000_000)
    with pytest.raises(RetryableError):
        _fetch(source, folder)
    fetched = _fetch(source, folder)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.uri == f"{front.url}/{NAME}"
    assert cdn.requests[-1].status == 206
    probed = source.probe(NAME, unless_etag='"0"')
    assert (probed.uri, probed.bytes) == (fetched.uri, len(CONTENT))
    last = cdn.requests[-1]
    assert (last.method, last.bytes_sent) == ("HEAD", 0)
    assert last.headers["If-None-Match"] == '"0"'
    assert front.requests[-1].headers["Authorization"]
    assert not any(request.headers["Authorization"] for request in cdn.requests)
    with pytest.raises(SourceError, match=r"sends us on to https://127\.0\.0\.1, expected"):
        _fetch(HttpSource(front.url, timeout=5), folder)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/again", "sends us on to http://127.0.0.1, expected https:// from"),
        *(
            (location, "sends us on to what is no address")
            for location in ("\u00e8ttp://192.0.2.1/", "http://[", "http://a:x/", "http://a:99999/")
        ),
    ],
)
def test_redirect_that_leads_nowhere_is_for_people(
    folder: Path, scripted: Scripted, location: str, said: str
) -> None:
    source, _ = scripted(Answer(302, {"Location": location}))
    for ask in (lambda: _fetch(source, folder), lambda: source.probe(NAME, unless_etag=None)):
        with pytest.raises(SourceError, match=said):
            ask()


@pytest.mark.parametrize(
    "headers", [{"Content-Encoding": "x" * 9_000}, {"Location": f"http://1.1.1.1/{'x' * 9_000}"}]
)
def test_what_a_server_says_at_length_is_not_repeated(
    folder: Path, scripted: Scripted, headers: dict[str, str]
) -> None:
    source, _ = scripted(Answer(302 if "Location" in headers else 200, headers))
    with pytest.raises(SourceError) as failure:
        _fetch(source, folder)
    assert len(str(failure.value)) < 1_000


def test_probe_knows_the_version_where_the_server_does_not_compare(scripted: Scripted) -> None:
    source, server = scripted(Answer(200, {"ETag": '"1"'}), Answer(200))
    assert source.probe(NAME, unless_etag='"1"') is None
    assert source.probe(NAME, unless_etag='"1"') == Probed(f"{server.url}/{NAME}", None, None, 0)


DIGITS = "9" * 5_000
"""More than Python reads as a number."""


def _chunked(body: bytes) -> Answer:
    return Answer(200, {"Transfer-Encoding": "chunked"}, body, framed=False)


WHOLE_BODIES = {
    "chunked": (_chunked(b"5\r\nwhole\r\n0\r\n\r\n"), b"whole"),
    "a size of 5000 digits": (Answer(200, {"Content-Length": DIGITS}, b"PAR1"), b"PAR1"),
    # Whether it was all, HTTP cannot tell; the Parquet footer, which landing reads, can.
    "ended by hanging up": (Answer(200, {}, b"all, or not", framed=False), b"all, or not"),
}


@pytest.mark.parametrize(("answer", "content"), WHOLE_BODIES.values(), ids=WHOLE_BODIES)
def test_body_needs_no_length(
    folder: Path, scripted: Scripted, answer: Answer, content: bytes
) -> None:
    fetched = _fetch(scripted(answer)[0], folder)
    assert (fetched.bytes, fetched.path.read_bytes()) == (len(content), content)
    assert (fetched.etag, fetched.last_modified) == (None, None)


def test_encoded_body_is_refused(folder: Path, scripted: Scripted) -> None:
    source, _ = scripted(Answer(200, {"Content-Encoding": "gzip", "ETag": '"1"'}, b"\x1f\x8b"))
    with pytest.raises(SourceError, match="Content-Encoding gzip"):
        _fetch(source, folder)
    assert list(folder.iterdir()) == []


V1 = {"ETag": '"1"'}
BROKEN = Answer(200, {**V1, "Content-Length": "10"}, b"01234")
ALL = Answer(200, V1, b"0123456789")


def _range(content_range: str, etag: str = '"1"', body: bytes = b"wrong") -> Answer:
    return Answer(206, {"ETag": etag, "Content-Range": content_range}, body)


NOT_ASKED_FOR = ("bytes 3-9/10", "bytes 0-9/10", "bytes 5-9/*", "x", "", f"bytes {DIGITS}-1/2")
# Answers, the last of which completes the file, and the range that its request asks for.
IN_PARTS = {
    "chunk of negative length": ([_chunked(b"-4\r\nPAR1\r\n"), ALL], None),
    "chunked body cut short": ([_chunked(b"5\r\nwhole\r\n5\r\nbro"), ALL], None),
    "no tag": ([Answer(200, {"Content-Length": "10"}, b"old p"), ALL], None),
    "weak tag": ([Answer(200, {"ETag": 'W/"1"', "Content-Length": "10"}, b"old p"), ALL], None),
    "range cut short": (
        [
            BROKEN,
            Answer(206, {**V1, "Content-Range": "bytes 5-9/10", "Content-Length": "5"}, b"56"),
            _range("bytes 7-9/10", body=b"789"),
        ],
        "bytes=7-",
    ),
    "range shorter than asked for": (
        [BROKEN, _range("bytes 5-6/10", body=b"56"), _range("bytes 7-9/10", body=b"789")],
        "bytes=7-",
    ),
    # A cache on the way that heeds Range but not If-Range.
    "range of another version": ([BROKEN, _range("bytes 5-9/10", '"2"'), ALL], None),
    **{f"range {asked}": ([BROKEN, _range(asked), ALL], None) for asked in NOT_ASKED_FOR},
}


@pytest.mark.parametrize(
    ("answers", "last_range"), IN_PARTS.values(), ids=[k[:30] for k in IN_PARTS]
)
def test_bytes_of_two_versions_or_places_are_never_mixed(
    folder: Path, scripted: Scripted, answers: list[Answer], last_range: str | None
) -> None:
    source, server = scripted(*answers)
    assert _fetched_in_tries(len(answers), source, folder) == b"0123456789"
    assert server.requests[-1].headers.get("Range") == last_range


def test_one_source_serves_several_threads(http: HttpSource, root: Path, folder: Path) -> None:
    names = [f"trip-data/green_tripdata_2024-{month:02d}.parquet" for month in range(1, 9)]
    for name in names:
        (root / name).write_bytes(name.encode() * 1000)
    with ThreadPoolExecutor(8) as pool:
        fetched = pool.map(lambda name: http.fetch(name, folder, unless_etag=None), names)
        contents = [file.path.read_bytes() for file in fetched]
    assert contents == [name.encode() * 1000 for name in names]
