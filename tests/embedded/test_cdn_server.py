"""The TLC's CDN as the pipeline meets it, over real sockets."""

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


def test_file_is_served_with_validators(cdn: CdnServer, root: Path) -> None:
    answer, head = _get(cdn), requests.head(f"{cdn.url}/{_NAME}", timeout=10)
    assert (answer.status_code, answer.content, head.content) == (200, _CONTENT, b"")
    for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == answer.headers[name]
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert [(r.method, r.path, r.status, r.bytes_sent) for r in cdn.requests] == [
        ("GET", f"/{_NAME}", 200, len(_CONTENT)), ("HEAD", f"/{_NAME}", 200, 0),
    ]  # fmt: skip
    os.utime(root / _NAME, (1, 1))
    assert _get(cdn).headers["ETag"] == answer.headers["ETag"]
    (root / _NAME).write_bytes(_CONTENT[::-1])
    assert _get(cdn).headers["ETag"] != answer.headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "status", "described", "sent"),
    [
        ("bytes=0-9", 206, "bytes 0-9/600000", _CONTENT[:10]),
        ("bytes=599990-", 206, "bytes 599990-599999/600000", _CONTENT[-10:]),
        ("bytes=10-99999999", 206, "bytes 10-599999/600000", _CONTENT[10:]),
        ("bytes=600000-", 416, "bytes */600000", None),
        ("bytes=x", 200, None, _CONTENT),
    ],
)
def test_range(
    cdn: CdnServer, asked: str, status: int, described: str | None, sent: bytes | None
) -> None:
    answer = _get(cdn, Range=asked)
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, described)
    assert sent in {None, answer.content}


def test_only_the_same_version_is_resumed_or_skipped(cdn: CdnServer) -> None:
    known = _get(cdn).headers["ETag"]
    assert _get(cdn, Range="bytes=5-", If_Range=known).status_code == 206
    assert _get(cdn, Range="bytes=5-", If_Range='"other"').content == _CONTENT
    skipped = _get(cdn, If_None_Match=known)
    assert (skipped.status_code, skipped.content, skipped.headers["ETag"]) == (304, b"", known)
    assert _get(cdn, If_None_Match='"other"').status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/trip-data/yellow_tripdata_2099-01.parquet",
        "/",
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


def test_scripted_error_then_recovery(cdn: CdnServer) -> None:
    cdn.fail_next(status=503, times=2, retry_after=1)
    answers = [_get(cdn) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_scripted_cut_announces_the_full_length(cdn: CdnServer) -> None:
    cdn.cut_next(after_bytes=10_000)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="590000 more expected"):
        _get(cdn)
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
