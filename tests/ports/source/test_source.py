"""What landing relies on in a source, whichever it is, and what a web server can do to it."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded.servers.cdn import CdnServer
from nyc_tlc.adapters.source import cdn as tlc_cdn
from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.errors import RetryableError, SourceError
from nyc_tlc.ports.source import Fetched, Probed, Source, SourceFileAbsentError
from tests.ports.scripted_http import Answer, Request, ScriptedServer, serve

NAME = "trip-data/green_tripdata_2024-01.parquet"
CONTENT = os.urandom(3_000_000)
OTHER = os.urandom(3_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The published files, laid out as on the CDN."""
    root = tmp_path / "published files"
    (root / "trip-data").mkdir(parents=True)
    (root / "misc").mkdir()
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


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Serve these answers, one per request; the last one for every request after it."""
    running = []

    def start(*answers: Answer) -> ScriptedServer:
        left = list(answers)
        server = serve(lambda _request: left.pop(0) if len(left) > 1 else left[0])
        running.append(server)
        return server.__enter__()

    yield start
    for server in running:
        server.__exit__(None, None, None)


def _fetch(source: Source, folder: Path, unless_etag: str | None = None) -> Fetched:
    fetched = source.fetch(NAME, folder, unless_etag=unless_etag)
    assert fetched is not None
    return fetched


def _source(server: ScriptedServer) -> HttpSource:
    return HttpSource(server.url, timeout=5)


def test_fetched_file_is_the_published_one(source: Source, folder: Path) -> None:
    fetched = _fetch(source, folder)
    assert fetched.path == folder / "green_tripdata_2024-01.parquet"
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes == len(CONTENT)
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert fetched.uri.endswith(f"/{NAME}")
    assert fetched.etag
    assert fetched.last_modified
    assert list(folder.iterdir()) == [fetched.path]


def test_published_file_stays_where_it_is(source: Source, folder: Path, root: Path) -> None:
    _fetch(source, folder).path.unlink()
    assert (root / NAME).read_bytes() == CONTENT


def test_version_that_we_have_is_not_fetched_again(source: Source, folder: Path) -> None:
    first = _fetch(source, folder)
    first.path.unlink()
    assert source.fetch(NAME, folder, unless_etag=first.etag) is None
    assert list(folder.iterdir()) == []


def test_changed_file_is_fetched_again(source: Source, folder: Path, root: Path) -> None:
    first = _fetch(source, folder)
    (root / NAME).write_bytes(OTHER)
    second = _fetch(source, folder, unless_etag=first.etag)
    assert second.path.read_bytes() == OTHER
    assert second.etag != first.etag
    assert second.sha256 == hashlib.sha256(OTHER).hexdigest()


def test_fetching_over_an_older_copy_replaces_it(source: Source, folder: Path) -> None:
    (folder / Path(NAME).name).write_bytes(b"older, and of another length")
    assert _fetch(source, folder).path.read_bytes() == CONTENT


def test_empty_file_is_fetched(source: Source, folder: Path, root: Path) -> None:
    (root / NAME).write_bytes(b"")
    fetched = _fetch(source, folder)
    assert (fetched.bytes, fetched.path.read_bytes()) == (0, b"")


def test_file_that_is_not_there_is_named(source: Source, folder: Path) -> None:
    with pytest.raises(SourceFileAbsentError, match="green_tripdata_2099-01"):
        source.fetch("trip-data/green_tripdata_2099-01.parquet", folder, unless_etag=None)
    assert list(folder.iterdir()) == []


def test_folder_may_hold_all_files_side_by_side(tmp_path: Path, folder: Path) -> None:
    (tmp_path / Path(NAME).name).write_bytes(CONTENT)
    assert _fetch(FolderSource(tmp_path), folder).bytes == len(CONTENT)


def test_broken_download_resumes_where_it_stopped(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000)
    with pytest.raises(RetryableError):
        _fetch(http, folder)
    kept = (folder / f"{Path(NAME).name}.part").stat().st_size
    assert 0 < kept <= 1_000_000
    assert not (folder / Path(NAME).name).exists()
    fetched = _fetch(http, folder)
    assert fetched.path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [fetched.path]
    first, second = cdn.requests
    assert (first.status, second.status) == (200, 206)
    assert second.headers["Range"] == f"bytes={kept}-"
    assert second.headers["If-Range"] == fetched.etag
    assert second.bytes_sent == len(CONTENT) - kept


def test_another_process_resumes_the_download(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000, times=2)
    for _ in range(2):
        with pytest.raises(RetryableError):
            _fetch(HttpSource(cdn.url, timeout=5), folder)
    assert _fetch(http, folder).path.read_bytes() == CONTENT
    assert [request.status for request in cdn.requests] == [200, 206, 206]


def test_file_changed_between_two_ranges_is_fetched_whole(
    cdn: CdnServer, http: HttpSource, folder: Path, root: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000)
    with pytest.raises(RetryableError):
        _fetch(http, folder)
    (root / NAME).write_bytes(OTHER)
    assert _fetch(http, folder).path.read_bytes() == OTHER
    assert [request.status for request in cdn.requests] == [200, 200]


def test_file_that_became_shorter_is_fetched_whole(
    cdn: CdnServer, http: HttpSource, folder: Path, root: Path
) -> None:
    cdn.cut_next(after_bytes=1_500_000)
    with pytest.raises(RetryableError):
        _fetch(http, folder)
    (root / NAME).write_bytes(OTHER[:1000])
    assert _fetch(http, folder).path.read_bytes() == OTHER[:1000]


def test_download_that_lacks_nothing_but_its_name_is_fetched_in_two_tries(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    etag = _fetch(http, folder).etag
    part = folder / f"{Path(NAME).name}.part"
    (folder / Path(NAME).name).rename(part)
    (folder / f"{part.name}.etag").write_text(etag or "")
    with pytest.raises(RetryableError):  # 416: there is nothing after the last byte
        _fetch(http, folder)
    assert _fetch(http, folder).path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_retryable(
    cdn: CdnServer, http: HttpSource, folder: Path, status: int
) -> None:
    cdn.fail_next(status=status)
    with pytest.raises(RetryableError, match=str(status)) as failure:
        _fetch(http, folder)
    assert failure.value.retry_after is None
    assert _fetch(http, folder).path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 503])
def test_server_says_how_long_to_wait(
    cdn: CdnServer, http: HttpSource, folder: Path, status: int
) -> None:
    cdn.fail_next(status=status, retry_after=7)
    with pytest.raises(RetryableError) as failure:
        _fetch(http, folder)
    assert failure.value.retry_after == 7


def test_trouble_while_resuming_keeps_what_has_come(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    cdn.cut_next(after_bytes=1_000_000)
    cdn.fail_next()
    for _ in range(2):
        with pytest.raises(RetryableError):
            _fetch(http, folder)
    assert _fetch(http, folder).path.read_bytes() == CONTENT
    assert cdn.requests[-1].status == 206


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusal_means_that_there_is_no_such_file(
    cdn: CdnServer, http: HttpSource, folder: Path, status: int
) -> None:
    cdn.fail_next(status=status)
    with pytest.raises(SourceFileAbsentError, match=f"{NAME} answered {status}"):
        _fetch(http, folder)


@pytest.mark.parametrize("status", [400, 401, 418])
def test_other_refusals_are_for_people(
    cdn: CdnServer, http: HttpSource, folder: Path, status: int
) -> None:
    cdn.fail_next(status=status)
    with pytest.raises(SourceError, match=f"{status}.*TLC_SOURCE_URL"):
        _fetch(http, folder)


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


def test_server_that_is_not_there_is_retryable(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(RetryableError, match=NAME):
        _fetch(HttpSource(url, timeout=5), folder)
    assert list(folder.iterdir()) == []


def test_address_that_is_none_is_for_people(folder: Path) -> None:
    with pytest.raises(SourceError, match="TLC_SOURCE_URL"):
        _fetch(HttpSource("http://", timeout=5), folder)


def test_redirect_is_followed_with_its_range(cdn: CdnServer, folder: Path, scripted) -> None:
    front = scripted(Answer(302, {"Location": f"{cdn.url}/{NAME}"}))
    cdn.cut_next(after_bytes=1_000_000)
    with pytest.raises(RetryableError):
        _fetch(_source(front), folder)
    fetched = _fetch(_source(front), folder)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.uri == f"{front.url}/{NAME}"
    assert cdn.requests[-1].status == 206


def test_redirect_in_a_circle_is_for_people(folder: Path, scripted) -> None:
    with pytest.raises(SourceError, match="TooManyRedirects"):
        _fetch(_source(scripted(Answer(302, {"Location": "/again"}))), folder)


@pytest.mark.parametrize(
    "location", ["\u00e8ttp://192.0.2.1/", "http://[", "http://a:x/", "http://a:99999999/"]
)
def test_redirect_to_what_is_no_address_is_for_people(
    folder: Path, scripted, location: str
) -> None:
    server = scripted(Answer(302, {"Location": location}))
    with pytest.raises(SourceError, match="sends us on to what is no address"):
        _fetch(HttpSource(server.url, timeout=5), folder)
    with pytest.raises(SourceError, match="sends us on to what is no address"):
        HttpSource(server.url, timeout=5).probe(NAME, unless_etag=None)


DIGITS = "9" * 5_000
"""More than Python reads as a number."""


def test_a_size_of_5000_digits_is_no_size(folder: Path, scripted) -> None:
    server = scripted(Answer(200, {"Content-Length": DIGITS}, b"PAR1"))
    assert _fetch(HttpSource(server.url, timeout=5), folder).bytes == 4


def test_a_range_of_5000_digits_is_refused(folder: Path, scripted) -> None:
    server = scripted(Answer(206, {"Content-Range": f"bytes {DIGITS}-1/2", "ETag": '"x"'}))
    with pytest.raises(RetryableError, match="another version or place"):
        _fetch(HttpSource(server.url, timeout=5), folder)


def test_a_chunk_of_negative_length_is_retryable(folder: Path, scripted) -> None:
    chunked = Answer(200, {"Transfer-Encoding": "chunked"}, b"-4\r\nPAR1\r\n", framed=False)
    with pytest.raises(RetryableError, match="its framing is broken"):
        _fetch(HttpSource(scripted(chunked).url, timeout=5), folder)


@pytest.mark.parametrize(
    "asked", ["Mon, 01 Jan 2024 00:00:00 +99999999999999", "Mon, 01 Jan 0001 00:00:00 +2359"]
)
def test_a_moment_that_no_calendar_has_is_no_pause(scripted, asked: str) -> None:
    server = scripted(Answer(503, {"Retry-After": asked}))
    with pytest.raises(RetryableError) as failure:
        HttpSource(server.url, timeout=5).probe(NAME, unless_etag=None)
    assert failure.value.retry_after in {None, 0.0}


@pytest.mark.parametrize(
    "headers", [{"Content-Encoding": "x" * 9_000}, {"Location": f"http://1.1.1.1/{'x' * 9_000}"}]
)
def test_what_a_server_says_at_length_is_not_repeated(
    folder: Path, scripted, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tlc_cdn, "may_follow", lambda *_: False)
    server = scripted(Answer(302 if "Location" in headers else 200, headers))
    with pytest.raises(SourceError) as failure:
        _fetch(HttpSource(server.url, timeout=5), folder)
    assert len(str(failure.value)) < 1_000


def test_bytes_are_asked_for_as_they_are_stored(
    cdn: CdnServer, http: HttpSource, folder: Path
) -> None:
    _fetch(http, folder)
    assert cdn.requests[0].headers["Accept-Encoding"] == "identity"


def test_encoded_body_is_refused(folder: Path, scripted) -> None:
    server = scripted(Answer(200, {"Content-Encoding": "gzip", "ETag": '"1"'}, b"\x1f\x8b"))
    with pytest.raises(SourceError, match="Content-Encoding gzip"):
        _fetch(_source(server), folder)
    assert list(folder.iterdir()) == []


def test_chunked_body_needs_no_length(folder: Path, scripted) -> None:
    body = b"5\r\nwhole\r\n0\r\n\r\n"
    server = scripted(Answer(200, {"Transfer-Encoding": "chunked"}, body, framed=False))
    assert _fetch(_source(server), folder).path.read_bytes() == b"whole"


def test_chunked_body_cut_short_is_retryable(folder: Path, scripted) -> None:
    server = scripted(
        Answer(200, {"Transfer-Encoding": "chunked"}, b"5\r\nwhole\r\n5\r\nbro", framed=False),
        Answer(200, {}, b"whole file"),
    )
    with pytest.raises(RetryableError):
        _fetch(_source(server), folder)
    assert _fetch(_source(server), folder).path.read_bytes() == b"whole file"


def test_body_that_only_hanging_up_ends_is_what_came(folder: Path, scripted) -> None:
    # Whether it was all, HTTP cannot tell; the Parquet footer, which landing reads, can.
    fetched = _fetch(_source(scripted(Answer(200, {}, b"all, or not", framed=False))), folder)
    assert (fetched.bytes, fetched.path.read_bytes()) == (11, b"all, or not")
    assert (fetched.etag, fetched.last_modified) == (None, None)


@pytest.mark.parametrize("tag", [{}, {"ETag": 'W/"weak"'}])
def test_version_without_a_strong_tag_is_never_resumed(
    folder: Path, scripted, tag: dict[str, str]
) -> None:
    server = scripted(
        Answer(200, {**tag, "Content-Length": "10"}, b"old p"), Answer(200, tag, b"new whole!")
    )
    with pytest.raises(RetryableError):
        _fetch(_source(server), folder)
    assert _fetch(_source(server), folder).path.read_bytes() == b"new whole!"
    assert "Range" not in server.requests[1].headers


@pytest.mark.parametrize("content_range", ["bytes 3-9/10", "bytes 0-9/10", "bytes 5-9/*", "x", ""])
def test_range_that_was_not_asked_for_is_refused(
    folder: Path, scripted, content_range: str
) -> None:
    server = scripted(
        Answer(200, {"ETag": '"1"', "Content-Length": "10"}, b"01234"),
        Answer(206, {"ETag": '"1"', "Content-Range": content_range}, b"wrong"),
        Answer(200, {"ETag": '"1"'}, b"0123456789"),
    )
    for _ in range(2):
        with pytest.raises(RetryableError):
            _fetch(_source(server), folder)
    assert _fetch(_source(server), folder).path.read_bytes() == b"0123456789"
    assert "Range" not in server.requests[2].headers


def test_range_of_another_version_is_never_mixed_in(folder: Path, scripted) -> None:
    # A cache on the way that heeds Range but not If-Range.
    server = scripted(
        Answer(200, {"ETag": '"1"', "Content-Length": "10"}, b"01234"),
        Answer(206, {"ETag": '"2"', "Content-Range": "bytes 5-9/10"}, b"fghij"),
        Answer(200, {"ETag": '"2"'}, b"abcdefghij"),
    )
    with pytest.raises(RetryableError):
        _fetch(_source(server), folder)
    with pytest.raises(RetryableError):
        _fetch(_source(server), folder)
    assert _fetch(_source(server), folder).path.read_bytes() == b"abcdefghij"


def test_range_cut_short_goes_on_from_its_end(folder: Path, scripted) -> None:
    server = scripted(
        Answer(200, {"ETag": '"1"', "Content-Length": "10"}, b"01234"),
        Answer(206, {"ETag": '"1"', "Content-Range": "bytes 5-9/10", "Content-Length": "5"}, b"56"),
        Answer(206, {"ETag": '"1"', "Content-Range": "bytes 7-9/10"}, b"789"),
    )
    for _ in range(2):
        with pytest.raises(RetryableError):
            _fetch(_source(server), folder)
    assert _fetch(_source(server), folder).path.read_bytes() == b"0123456789"
    assert server.requests[2].headers["Range"] == "bytes=7-"


def test_one_source_serves_several_threads(
    cdn: CdnServer, http: HttpSource, root: Path, folder: Path
) -> None:
    names = [f"trip-data/green_tripdata_2024-{month:02d}.parquet" for month in range(1, 9)]
    fetched = {}

    def fetch(name: str) -> None:
        own = folder / Path(name).stem
        own.mkdir()
        fetched[name] = http.fetch(name, own, unless_etag=None)

    for name in names:
        (root / name).write_bytes(name.encode() * 1000)
    threads = [threading.Thread(target=fetch, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: file.path.read_bytes() for name, file in fetched.items()} == {
        name: name.encode() * 1000 for name in names
    }


def test_probe_describes_the_file_that_fetch_would_bring(source: Source, folder: Path) -> None:
    published = source.probe(NAME, unless_etag=None)
    fetched = _fetch(source, folder)
    assert published == Probed(fetched.uri, fetched.etag, fetched.last_modified, fetched.bytes)


def test_probe_of_the_version_that_we_have_says_none(source: Source, root: Path) -> None:
    published = source.probe(NAME, unless_etag=None)
    assert source.probe(NAME, unless_etag=published.etag) is None
    (root / NAME).write_bytes(OTHER[:9])
    revised = source.probe(NAME, unless_etag=published.etag)
    assert (revised.bytes, revised.etag != published.etag) == (9, True)


def test_probe_of_a_file_that_is_not_there_says_so(source: Source) -> None:
    with pytest.raises(SourceFileAbsentError, match=r"2031-01\.parquet answered"):
        source.probe("trip-data/green_tripdata_2031-01.parquet", unless_etag='"1"')


def test_probe_transfers_no_byte(cdn: CdnServer, http: HttpSource) -> None:
    http.probe(NAME, unless_etag=None)
    assert [(r.method, r.bytes_sent) for r in cdn.requests] == [("HEAD", 0)]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_probe_takes_every_way_of_saying_absent(scripted, status: int) -> None:
    with pytest.raises(SourceFileAbsentError, match=str(status)):
        _source(scripted(Answer(status))).probe(NAME, unless_etag=None)


@pytest.mark.parametrize(("status", "seconds"), [(429, 7.0), (500, None), (503, None)])
def test_probe_of_a_server_in_trouble_can_be_retried(
    scripted, status: int, seconds: float | None
) -> None:
    headers = {"Retry-After": f"{seconds:.0f}"} if seconds else {}
    with pytest.raises(RetryableError, match=str(status)) as raised:
        _source(scripted(Answer(status, headers))).probe(NAME, unless_etag=None)
    assert raised.value.retry_after == seconds


def test_probe_of_a_server_that_is_gone_can_be_retried() -> None:
    with pytest.raises(RetryableError, match=r"failed \(ConnectionError\)$"):
        HttpSource("http://127.0.0.1:1", timeout=1).probe(NAME, unless_etag=None)


def test_probe_that_is_refused_as_such_is_an_error_with_a_next_step(scripted) -> None:
    with pytest.raises(SourceError, match=r"405 .*Check TLC_SOURCE_URL"):
        _source(scripted(Answer(405))).probe(NAME, unless_etag=None)


def test_probe_follows_redirects_as_github_gives_them(scripted) -> None:
    target = scripted(Answer(200, {"ETag": '"1"', "Content-Length": "12"}))
    mirror = scripted(Answer(302, {"Location": f"{target.url}/signed?a=b"}))
    published = _source(mirror).probe(NAME, unless_etag='"0"')
    assert (published.uri, published.bytes) == (f"{mirror.url}/{NAME}", 12)
    assert (target.requests[0].method, target.requests[0].headers["If-None-Match"]) == (
        "HEAD",
        '"0"',
    )


def test_probe_knows_the_version_where_the_server_does_not_compare(scripted) -> None:
    source = _source(scripted(Answer(200, {"ETag": '"1"'}), Answer(200)))
    assert source.probe(NAME, unless_etag='"1"') is None
    assert source.probe(NAME, unless_etag='"1"') == Probed(
        f"{source._shown_url}/{NAME}", None, None, 0
    )


def test_request_is_remembered_by_the_scripted_server(scripted) -> None:
    """The helper of this suite, so that its answers can be believed."""
    server = scripted(Answer(404))
    with pytest.raises(SourceFileAbsentError):
        _source(server).fetch("misc/a b.csv", Path(), unless_etag='"7"')
    (request,) = server.requests
    assert isinstance(request, Request)
    assert (request.path, request.headers["If-None-Match"]) == ("/misc/a b.csv", '"7"')
