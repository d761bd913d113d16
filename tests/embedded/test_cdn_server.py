"""The TLC's CDN as the demo serves it; tests/ports/source tries its ranges and failures."""

import http.client
import os
from collections.abc import Iterator

import pytest
import requests

from embedded.servers.cdn import CdnServer

_CONTENT = os.urandom(600_000)
_NAME = "trip-data/yellow_tripdata_2024-01.parquet"


@pytest.fixture
def cdn(tmp_path) -> Iterator[CdnServer]:
    root = tmp_path / "the cdn"
    for folder in ("trip-data", "misc"):
        (root / folder).mkdir(parents=True)
    (root / _NAME).write_bytes(_CONTENT)
    (root / "misc" / "taxi+_zone_lookup.csv").write_text("LocationID\n")
    (tmp_path / "secret").write_text("not published")
    (root / "misc" / "link").symlink_to(tmp_path / "secret")
    with CdnServer(root) as running:
        yield running


def _get(cdn: CdnServer, name: str = _NAME, **headers: str) -> requests.Response:
    return requests.get(f"{cdn.url}/{name}", headers=headers, timeout=10)


def test_file_is_served_with_validators_that_follow_its_content(cdn, tmp_path):
    answer, head = _get(cdn), requests.head(f"{cdn.url}/{_NAME}", timeout=10)
    assert (answer.status_code, answer.content, head.content) == (200, _CONTENT, b"")
    for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == answer.headers[name]
    file = tmp_path / "the cdn" / _NAME
    os.utime(file, (1, 1))
    assert _get(cdn).headers["ETag"] == answer.headers["ETag"]
    file.write_bytes(_CONTENT[::-1])
    assert _get(cdn).headers["ETag"] != answer.headers["ETag"]
    beyond = _get(cdn, Range="bytes=600000-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */600000")
    for name in ("taxi+_zone_lookup.csv", "taxi%2B_zone_lookup.csv?x=1"):
        assert _get(cdn, f"misc/{name}").text == "LocationID\n"


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
def test_everything_else_is_access_denied(cdn, target):
    # http.client sends the target as it is; requests would tidy it up first.
    connection = http.client.HTTPConnection(cdn.url.removeprefix("http://"), timeout=10)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in body
