"""What the lake on other clouds sends, and what it makes of answers that emulators never give.

moto and Azurite heed the conditions of writes, but moto not those of copies.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import object_store
from nyc_tlc.adapters.lake.object_store import ObjectStoreLake
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError, RetryableError
from tests.ports.scripted_http import Answer, Request, ScriptedServer, serve

MIB = 1 << 20
Call = Callable[[ObjectStoreLake, Path], object]
CALLS: dict[str, Call] = {
    "stat": lambda lake, _: lake.stat("x"),
    "read": lambda lake, _: lake.read("x"),
    "write": lambda lake, _: lake.write("x", b"1", if_generation=0),
    "upload": lambda lake, file: lake.upload(file, "x"),
    "copy": lambda lake, _: lake.copy("x", "y", if_generation=0),
    "open": lambda lake, _: lake.open("x").__enter__(),
    "list": lambda lake, _: list(lake.list("")),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(autouse=True)
def settings(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "robot")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr(object_store, "_BLIP", timedelta(seconds=0.12))
    monkeypatch.setattr(object_store, "_OUTAGE", timedelta(seconds=0.12))


@pytest.fixture
def file(tmp_path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"rows")
    return file


Ask = Callable[[Callable[[Request], Answer]], tuple[ObjectStoreLake, ScriptedServer]]


@pytest.fixture
def ask(tmp_path, monkeypatch) -> Iterator[Ask]:
    """A lake, and the server that answers for its bucket."""
    with ExitStack() as servers:

        def begin(answer: Callable[[Request], Answer]) -> tuple[ObjectStoreLake, ScriptedServer]:
            server = servers.enter_context(serve(answer))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            return object_store.connect("s3://lake/top", cache=tmp_path / "cache"), server

        yield begin


def _listed(answer: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Let the bucket be there."""
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    return lambda request: (
        Answer(200, {}, listing) if "list-type" in request.query else answer(request)
    )


def _refusal(status: int, code: str, message: str = "") -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def _found(etag: str, size: int = 4, checksum: str = "r5sJTQ==") -> Answer:
    headers = {"ETag": f'"{etag}"', "x-amz-meta-crc32c": checksum, "Content-Length": str(size)}
    return Answer(200, {**headers, "Last-Modified": "Mon, 23 Nov 2026 06:00:00 GMT"})


@pytest.mark.parametrize(("there", "sent"), [(None, ("*", None)), ("seen", (None, '"seen"'))])
def test_copy_sends_its_condition(ask, there, sent):
    objects = {"/lake/top/staged": "staged", **({"/lake/top/x": there} if there else {})}

    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            objects["/lake/top/x"] = "copied"
            return Answer(200, {}, b"<CopyObjectResult><ETag>copied</ETag></CopyObjectResult>")
        return _found(objects[request.path]) if request.path in objects else Answer(404)

    lake, server = ask(_listed(answer))
    copied = lake.copy("staged", "x", if_generation=there or 0)
    assert (copied.generation, copied.crc32c) == ("copied", "r5sJTQ==")
    (put,) = [request for request in server.requests if request.method == "PUT"]
    assert put.headers["x-amz-copy-source"] == "lake/top/staged"
    assert (put.headers["If-None-Match"], put.headers["If-Match"]) == sent


def test_copy_that_lost_the_race_says_so(ask):
    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            return _refusal(412, "PreconditionFailed")
        ours = request.path == "/lake/top/staged"
        return _found("staged") if ours else _found("theirs", checksum="AAAAAA==")

    lake, _ = ask(_listed(answer))
    with pytest.raises(ReconciliationError, match="s3://lake/top/x was changed by another run"):
        lake.copy("staged", "x", if_generation="theirs")


def test_large_file_goes_in_parts_of_8_mib(ask, file):
    file.write_bytes(bytes(20 * MIB))

    def answer(request: Request) -> Answer:
        if request.method == "POST" and "uploads" in request.target:
            return Answer(200, {}, b"<R><UploadId>u</UploadId></R>")
        if request.method == "POST":
            result = b'<R><Location/><Bucket/><Key/><ETag>"whole-3"</ETag></R>'
            return Answer(200, {}, result)
        return Answer(200, {"ETag": '"part"'})

    lake, server = ask(answer)
    stored = lake.upload(file, "x")
    parts = [len(request.body) for request in server.requests if request.method == "PUT"]
    assert sorted(parts) == [4 * MIB, 8 * MIB, 8 * MIB]
    assert (stored.bytes, stored.generation) == (20 * MIB, "whole-3")
    assert server.requests[0].headers["x-amz-meta-crc32c"] == stored.crc32c


DOWN, NO_KEY = (
    "s3://lake/top returned an unexpected",
    r"no usable credentials \({}.*AWS_ACCESS_KEY_ID",
)
FAULTS = {
    "down": (503, "SlowDown", "Reduce your rate.", DOWN),
    "busy": (429, "SlowDown", "Reduce your rate.", DOWN),
    "denied": (403, "AccessDenied", "may not", r"may not.*s3:\w+ on arn:aws:s3:::lake"),
    "region": (
        400,
        "AuthorizationHeaderMalformed",
        "is wrong; expecting 'eu-west-1'",
        "another region.*AWS_REGION=eu-west-1",
    ),
    "unnamed region": (301, "PermanentRedirect", "", "another region.*AWS_REGION="),
    "bucket": (404, "NoSuchBucket", "Absent.", "s3://lake/top does not exist.*LAKE_URL"),
    **{
        code: (403, code, "no", NO_KEY.format(code))
        for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")
    },
}


@every_call
@pytest.mark.parametrize(("status", "code", "message", "says"), FAULTS.values(), ids=FAULTS)
def test_fault_is_explained_without_the_key(ask, file, call, status, code, message, says):
    error = RetryableError if says == DOWN else ConfigurationError
    lake, server = ask(lambda _request: _refusal(status, code, message))
    with pytest.raises(error, match=says) as failure:
        call(lake, file)
    assert "hunter2" not in str(failure.value)
    assert "Signature=" not in str(failure.value)
    assert (len(server.requests) > 1) == (error is RetryableError)
    assert file.exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "Account must be specified"),
        (
            {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "hunter2!"},
            "Invalid Access Key",
        ),
    ],
)
def test_settings_that_the_library_cannot_use_are_named(tmp_path, monkeypatch, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"no usable settings \({said}") as failure:
        object_store.connect("az://lake", cache=tmp_path)
    assert "hunter2" not in str(failure.value)


def test_object_replaced_while_it_is_read_is_retryable(ask):
    refusal = _refusal(412, "PreconditionFailed")
    lake, server = ask(_listed(lambda r: refusal if r.method == "GET" else _found("seen")))
    with pytest.raises(RetryableError, match="x was replaced while it was read"):
        lake.read("x")
    assert server.requests[-1].headers["If-Match"] == '"seen"'


def test_bytes_damaged_on_the_way_down_are_retryable(ask):
    headers = {**_found("seen").headers, "Content-Range": "bytes 0-3/4"}
    damaged = Answer(206, headers, b"RAWS")
    lake, _ = ask(_listed(lambda r: _found("seen") if r.method == "HEAD" else damaged))
    with pytest.raises(RetryableError, match="damaged on the way"):
        lake.read("x")
    with pytest.raises(RetryableError, match="damaged on the way"), lake.open("x"):
        pytest.fail("damaged bytes were given out")
