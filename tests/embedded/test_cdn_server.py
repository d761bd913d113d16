"""The manners of the TLC's CDN, over real sockets."""

import http.client
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedded.servers.cdn import CdnServer

_CONTENT = os.urandom(600_000)
_NAME = "trip-data/yellow_tripdata_2024-01.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "the cdn"
    (folder / "trip-data").mkdir(parents=True)
    (folder / "misc").mkdir()
    (folder / _NAME).write_bytes(_CONTENT)
    (folder / "misc" / "taxi+_zone_lookup.csv").write_text("LocationID\n")
    (tmp_path / "secret").write_text("not published")
    (folder / "misc" / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.fixture
def cdn(root: Path) -> Iterator[CdnServer]:
    with CdnServer(root) as running:
        yield running


def _get(cdn: CdnServer, name: str = _NAME, **headers: str) -> requests.Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    plain = {"Accept-Encoding": "identity"}
    return requests.get(f"{cdn.url}/{name}", headers=plain | named, timeout=10)


def test_file_is_served_with_validators(cdn: CdnServer) -> None:
    answer = _get(cdn)
    assert (answer.status_code, answer.content) == (200, _CONTENT)
    assert answer.headers["Content-Length"] == str(len(_CONTENT))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert (cdn.requests[0].method, cdn.requests[0].path) == ("GET", f"/{_NAME}")
    assert (cdn.requests[0].status, cdn.requests[0].bytes_sent) == (200, len(_CONTENT))


def test_head_has_the_headers_and_no_body(cdn: CdnServer) -> None:
    head = requests.head(f"{cdn.url}/{_NAME}", timeout=10)
    assert head.headers["Content-Length"] == str(len(_CONTENT))
    assert head.headers["ETag"] == _get(cdn).headers["ETag"]
    assert (head.content, cdn.requests[0].bytes_sent) == (b"", 0)


def test_etag_follows_the_content(cdn: CdnServer, root: Path) -> None:
    before = _get(cdn).headers["ETag"]
    os.utime(root / _NAME, (1, 1))
    assert _get(cdn).headers["ETag"] == before
    (root / _NAME).write_bytes(_CONTENT[::-1])
    assert _get(cdn).headers["ETag"] != before


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=599990-", 599_990, 599_999),
        ("bytes=-5", 599_995, 599_999),
        ("bytes=10-99999999", 10, 599_999),
        ("bytes=-99999999", 0, 599_999),
    ],
)
def test_range_is_served(cdn: CdnServer, asked: str, first: int, last: int) -> None:
    answer = _get(cdn, range=asked)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/600000"
    assert answer.content == _CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=600000-", "bytes=-0"])
def test_range_beyond_the_file_is_416(cdn: CdnServer, asked: str) -> None:
    answer = _get(cdn, Range=asked)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */600000")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=x"])
def test_range_that_is_not_one_is_ignored(cdn: CdnServer, asked: str) -> None:
    assert _get(cdn, Range=asked).status_code == 200


def test_if_range_resumes_only_the_same_version(cdn: CdnServer) -> None:
    known = _get(cdn).headers
    for validator in (known["ETag"], known["Last-Modified"]):
        assert _get(cdn, Range="bytes=5-", If_Range=validator).status_code == 206
    for other in ('"other"', f"W/{known['ETag']}", "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert _get(cdn, Range="bytes=5-", If_Range=other).content == _CONTENT


def test_known_version_is_304(cdn: CdnServer) -> None:
    known = _get(cdn).headers
    for condition in (f'"x", {known["ETag"]}', f"W/{known['ETag']}", "*"):
        answer = _get(cdn, If_None_Match=condition)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == known["ETag"]
    assert _get(cdn, If_Modified_Since=known["Last-Modified"]).status_code == 304
    assert _get(cdn, If_None_Match='"x"').status_code == 200
    assert _get(cdn, If_None_Match='"x"', If_Modified_Since=known["Last-Modified"]).ok


def test_if_match_of_another_version_is_412(cdn: CdnServer) -> None:
    assert _get(cdn, If_Match='"x"').status_code == 412
    assert _get(cdn, If_Match=_get(cdn).headers["ETag"]).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/trip-data/yellow_tripdata_2099-01.parquet",
        "/",
        "/trip-data/",
        "/trip-data",
        "/../secret",
        "/misc/%2e%2e/%2e%2e/secret",
        "/misc/..%2f..%2fsecret",
        "/misc/link",
        "//etc/passwd",
        "/misc/%00",
        "/misc/%ff",
        "/" + "x" * 5000,
    ],
)
def test_everything_else_is_access_denied(cdn: CdnServer, target: str) -> None:
    # http.client sends the target as it is; requests would tidy it up first.
    connection = http.client.HTTPConnection(cdn.url.removeprefix("http://"), timeout=10)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in body


def test_plus_and_its_escape_name_the_same_file(cdn: CdnServer) -> None:
    assert _get(cdn, "misc/taxi+_zone_lookup.csv").text == "LocationID\n"
    assert _get(cdn, "misc/taxi%2B_zone_lookup.csv?x=1").text == "LocationID\n"


def test_writing_is_denied(cdn: CdnServer, root: Path) -> None:
    assert requests.put(f"{cdn.url}/{_NAME}", data=b"x" * 100_000, timeout=10).status_code == 403
    assert (root / _NAME).read_bytes() == _CONTENT


def test_scripted_error_then_recovery(cdn: CdnServer) -> None:
    cdn.fail_next(status=503, times=2, retry_after=1)
    answers = [_get(cdn) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_scripted_cut_announces_the_full_length(cdn: CdnServer) -> None:
    cdn.cut_next(after_bytes=10_000)
    connection = http.client.HTTPConnection(cdn.url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/{_NAME}")
    answer = connection.getresponse()
    assert answer.headers["Content-Length"] == str(len(_CONTENT))
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    connection.close()
    assert cut.value.partial == _CONTENT[:10_000]
    assert cdn.requests[0].bytes_sent == 10_000
    assert _get(cdn).content == _CONTENT


def test_scripted_stall_is_felt_and_ends(cdn: CdnServer) -> None:
    cdn.stall_next(5, after_bytes=100)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{cdn.url}/{_NAME}", timeout=0.2)
    cdn.stall_next(0.3)
    began = time.monotonic()
    assert _get(cdn).content == _CONTENT
    assert time.monotonic() - began >= 0.3


def test_many_requests_share_a_connection(cdn: CdnServer) -> None:
    with requests.Session() as session:
        began = time.monotonic()
        for _ in range(50):
            answer = session.get(f"{cdn.url}/{_NAME}", headers={"Range": "bytes=0-9"}, timeout=10)
            assert answer.status_code == 206
        assert time.monotonic() - began < 1
