"""What the bucket's lake sends to Cloud Storage, and what it makes of the answers.

The emulator ignores preconditions and never fails; this server heeds them and fails on demand.
"""

from __future__ import annotations

import io
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import gcs
from nyc_tlc.adapters.lake.gcs import GcsLake
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError, RetryableError
from tests.ports.lake import gcs_wire
from tests.ports.lake.gcs_wire import GcsWire
from tests.ports.scripted_http import Answer, Request, ScriptedServer, serve

MIB = 1 << 20

CALLS: dict[str, Callable[[GcsLake, Path], object]] = {
    "stat": lambda lake, _: lake.stat("x"),
    "read": lambda lake, _: lake.read("x"),
    "write": lambda lake, _: lake.write("x", b"1", if_generation=None),
    "upload": lambda lake, file: lake.upload(file, "x"),
    "upload in chunks": lambda lake, file: (os.truncate(file, 9 * MIB), lake.upload(file, "x")),
    "copy": lambda lake, _: lake.copy("x", "y", if_generation=0),
    "open": lambda lake, _: lake.open("x").__enter__(),
    "open_range": lambda lake, _: lake.open_range("x").__enter__(),
    "delete": lambda lake, _: lake.delete("x"),
    "list": lambda lake, _: list(lake.list("")),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def wire() -> GcsWire:
    return GcsWire()


@pytest.fixture
def server(wire: GcsWire) -> Iterator[ScriptedServer]:
    with gcs_wire.serve_wire(wire) as server:
        yield server


@pytest.fixture
def lake(server: ScriptedServer, tmp_path: Path) -> GcsLake:
    return _lake(server.url, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"rows")
    return file


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library give up at once."""
    monkeypatch.setattr(gcs, "BLIP", 0.2)
    monkeypatch.setattr(gcs, "UPLOAD_OUTAGE", 0.2)


def _lake(endpoint: str, tmp_path: Path, url: str = "gs://lake/top") -> GcsLake:
    return gcs.connect(url, cache=tmp_path / "cache", emulator=endpoint, key_file=None)


def _sent(server: ScriptedServer, method: str) -> list[Request]:
    return [r for r in gcs_wire.object_requests(server) if r.method == method]


def test_write_sends_the_generation_it_expects(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire
) -> None:
    first = lake.write("m.json", b"1", if_generation=0)
    lake.write("m.json", b"2", if_generation=first.generation)
    lake.write("m.json", b"3", if_generation=None)
    sent = [request.query.get("ifGenerationMatch") for request in _sent(server, "POST")]
    assert sent == ["0", str(first.generation), None]
    assert wire.objects["top/m.json"][1] == b"3"


@pytest.mark.parametrize("expected", [0, 999])
def test_write_over_a_changed_object_is_refused(
    lake: GcsLake, wire: GcsWire, expected: int
) -> None:
    wire.put("top/m.json", b"theirs")
    before = dict(wire.objects)
    with pytest.raises(ReconciliationError, match=r"gs://lake/top/m\.json was changed"):
        lake.write("m.json", b"ours", if_generation=expected)
    assert wire.objects == before


def test_copy_sends_the_generation_it_expects_in_every_round(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire
) -> None:
    wire.put("top/staged/x", b"rows")
    seen = wire.put("top/trips/x", b"old")
    wire.rewrite_rounds = 2
    copied = lake.copy("staged/x", "trips/x", if_generation=seen)
    asked = [request.query for request in gcs_wire.object_requests(server)]
    sent = [query for query in asked if "ifGenerationMatch" in query]
    assert [query["ifGenerationMatch"] for query in sent] == [str(seen)] * 3
    assert [query.get("rewriteToken") for query in sent] == [None, "round 1", "round 0"]
    assert (copied.path, copied.bytes) == ("trips/x", 4)
    assert wire.objects["top/trips/x"] == (copied.generation, b"rows")


@pytest.mark.parametrize("expected", [0, 999])
def test_copy_over_a_changed_object_is_refused(lake: GcsLake, wire: GcsWire, expected: int) -> None:
    wire.put("top/staged", b"ours")
    wire.put("top/x", b"theirs")
    before = dict(wire.objects)
    with pytest.raises(ReconciliationError, match="gs://lake/top/x was changed"):
        lake.copy("staged", "x", if_generation=expected)
    assert wire.objects == before


def test_copy_of_an_object_that_is_gone_is_refused(lake: GcsLake) -> None:
    with pytest.raises(ReconciliationError, match="gs://lake/top/staged is gone"):
        lake.copy("staged", "x", if_generation=0)


def test_take_puts_no_condition(lake: GcsLake, server: ScriptedServer, file: Path) -> None:
    lake.upload(file, "x")
    (request,) = gcs_wire.object_requests(server)
    assert "ifGenerationMatch" not in request.query
    assert request.query["uploadType"] == "multipart"


def test_large_file_goes_in_chunks_of_8_mib(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire, file: Path
) -> None:
    content = os.urandom(MIB) * 20
    file.write_bytes(content)
    stored = lake.upload(file, "x")
    assert gcs_wire.object_requests(server)[0].query["uploadType"] == "resumable"
    chunks = _sent(server, "PUT")
    assert [len(chunk.body) for chunk in chunks] == [8 * MIB, 8 * MIB, 4 * MIB]
    assert [chunk.headers["Content-Range"] for chunk in chunks] == [
        f"bytes 0-{8 * MIB - 1}/{20 * MIB}",
        f"bytes {8 * MIB}-{16 * MIB - 1}/{20 * MIB}",
        f"bytes {16 * MIB}-{20 * MIB - 1}/{20 * MIB}",
    ]
    assert wire.objects["top/x"] == (stored.generation, content)
    assert stored.bytes == len(content)


def test_one_503_is_tried_again_by_the_library(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire, file: Path
) -> None:
    wire.faults.append(gcs_wire.error(503, "Backend Error"))
    lake.upload(file, "x")
    assert wire.objects["top/x"][1] == b"rows"
    assert len(gcs_wire.object_requests(server)) == 2


@every_call
def test_repeated_call_carries_the_token_of_the_first(
    lake: GcsLake,
    server: ScriptedServer,
    wire: GcsWire,
    file: Path,
    call: Callable[[GcsLake, Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By it Cloud Storage knows a repetition."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    wire.put("top/x", b"rows")
    wire.faults.append(gcs_wire.backend_error())
    call(lake, file)
    refused, repeated = gcs_wire.object_requests(server)[:2]
    tokens = [
        re.findall(r"gccl-invocation-id/(\S+)", request.headers["X-Goog-API-Client"])
        for request in (refused, repeated)
    ]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) == 1


def test_chunk_that_met_a_503_is_sent_again(
    server: ScriptedServer, wire: GcsWire, tmp_path: Path, file: Path
) -> None:
    content = os.urandom(MIB) * 9
    file.write_bytes(content)
    chunks: list[int] = []

    def first_chunk_fails(request: Request) -> Answer:
        if request.method == "PUT":
            chunks.append(len(request.body))
        return gcs_wire.backend_error() if chunks == [8 * MIB] else wire.answer(request)

    with serve(first_chunk_fails) as flaky:
        _lake(flaky.url, tmp_path).upload(file, "x")
    assert chunks == [8 * MIB, 8 * MIB, MIB]
    assert wire.objects["top/x"][1] == content


def test_lost_answer_to_the_last_chunk_is_asked_for_again(
    wire: GcsWire, tmp_path: Path, file: Path
) -> None:
    content = os.urandom(MIB) * 9
    file.write_bytes(content)
    lost: list[Answer] = []

    def last_answer_is_lost(request: Request) -> Answer:
        answer = wire.answer(request)
        if request.method == "PUT" and answer.status == 200 and not lost:
            lost.append(answer)
            return gcs_wire.backend_error()
        return answer

    with serve(last_answer_is_lost) as flaky:
        stored = _lake(flaky.url, tmp_path).upload(file, "x")
    assert len(lost) == 1
    assert wire.objects == {"top/x": (stored.generation, content)}


def test_upload_of_which_the_store_kept_less_is_begun_anew_by_the_run(
    lake: GcsLake, wire: GcsWire, file: Path
) -> None:
    content = os.urandom(MIB) * 9
    file.write_bytes(content)
    wire.keeps_little = gcs_wire.QUARTER
    with pytest.raises(RetryableError, match="upload of gs://lake/top/x was broken off"):
        lake.upload(file, "x")
    assert (file.read_bytes(), wire.objects) == (content, {})
    wire.keeps_little = 0
    lake.upload(file, "x")
    assert wire.objects["top/x"][1] == content


def test_lost_answer_to_a_write_is_not_taken_for_another_run(lake: GcsLake, wire: GcsWire) -> None:
    wire.lost.append(gcs_wire.backend_error())
    stored = lake.write("m.json", b"ours", if_generation=0)
    assert wire.objects["top/m.json"] == (stored.generation, b"ours")


@pytest.mark.usefixtures("impatient")
@every_call
def test_store_that_stays_down_is_retryable(
    lake: GcsLake, wire: GcsWire, file: Path, call: Callable[[GcsLake, Path], object]
) -> None:
    wire.faults.extend([gcs_wire.backend_error()] * 50)
    with pytest.raises(RetryableError, match="gs://lake/top did not answer"):
        call(lake, file)
    assert wire.objects == {}


@pytest.mark.usefixtures("impatient")
@every_call
def test_store_that_is_not_there_is_retryable(
    tmp_path: Path, file: Path, call: Callable[[GcsLake, Path], object]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(RetryableError, match="gs://lake/top did not answer"):
        call(_lake(endpoint, tmp_path), file)


PERMISSIONS = {
    "stat": "get", "read": "get", "open": "get", "open_range": "get", "copy": "get",
    "write": "create", "upload": "create", "upload in chunks": "create", "delete": "delete",
    "list": "list",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_refusal_names_the_permission_and_how_to_grant_it(
    lake: GcsLake, wire: GcsWire, file: Path, name: str
) -> None:
    permission = f"storage.objects.{PERMISSIONS[name]}"
    robot = "robot@project.iam.gserviceaccount.com"
    message = f"{robot} does not have {permission} access to the Google Cloud Storage object."
    wire.faults.extend([gcs_wire.error(403, message, "forbidden")] * 5)
    with pytest.raises(ConfigurationError) as failure:
        CALLS[name](lake, file)
    told = str(failure.value)
    assert message in told
    assert f"permission {permission}, which roles/storage.objectUser has" in told
    assert (
        "gcloud storage buckets add-iam-policy-binding gs://lake "
        f"--member=serviceAccount:{robot} --role=roles/storage.objectUser"
    ) in told


@pytest.mark.parametrize("name", CALLS)
def test_permission_is_named_where_the_store_names_none(
    lake: GcsLake, wire: GcsWire, file: Path, name: str
) -> None:
    wire.faults.extend([gcs_wire.error(403, "Access denied.")] * 5)
    with pytest.raises(ConfigurationError, match=f"storage.objects.{PERMISSIONS[name]}"):
        CALLS[name](lake, file)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("accountDisabled", "The billing account for the owning project is disabled"),
        ("retentionPolicyNotMet", "Object 'x' is subject to bucket's retention policy"),
        ("vpcServiceControls", "Request is prohibited by organization's policy."),
    ],
)
def test_refusal_that_no_role_mends_advises_none(
    lake: GcsLake, wire: GcsWire, reason: str, message: str
) -> None:
    wire.faults.append(gcs_wire.error(403, message, reason))
    with pytest.raises(ConfigurationError, match="Ask whoever owns bucket lake") as failure:
        lake.write("x", b"1", if_generation=None)
    assert message in str(failure.value)
    assert "--role" not in str(failure.value)


def test_token_that_is_not_taken_is_about_credentials(lake: GcsLake, wire: GcsWire) -> None:
    wire.faults.append(gcs_wire.error(401, "Invalid Credentials"))
    with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        lake.stat("x")


def test_refused_write_changed_nothing(lake: GcsLake, wire: GcsWire) -> None:
    wire.put("top/x", b"theirs")
    before = dict(wire.objects)
    wire.faults.append(gcs_wire.error(403, "no", "forbidden"))
    with pytest.raises(ConfigurationError, match="Nothing was written there"):
        lake.write("x", b"ours", if_generation=None)
    assert wire.objects == before


@every_call
def test_store_that_asks_for_a_pause_gets_it(
    lake: GcsLake,
    server: ScriptedServer,
    wire: GcsWire,
    file: Path,
    call: Callable[[GcsLake, Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    ours = threading.current_thread()

    def sleep(seconds: float) -> None:
        if threading.current_thread() is ours:  # the library asks for the bucket in another
            waited.append(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    wire.put("top/x", b"rows")
    wire.faults.append(gcs_wire.error(429, "Slow down", Retry_After="7"))
    call(lake, file)
    assert waited[0] == 7  # and then the library's own back-off
    assert waited.count(7) == 1


@every_call
def test_longer_pause_is_left_to_the_run(
    lake: GcsLake,
    server: ScriptedServer,
    wire: GcsWire,
    file: Path,
    call: Callable[[GcsLake, Path], object],
) -> None:
    wire.put("top/x", b"rows")
    wire.faults.append(gcs_wire.error(429, "Slow down", Retry_After="3600"))
    with pytest.raises(RetryableError, match="TooManyRequests") as failure:
        call(lake, file)
    assert failure.value.retry_after == 3600
    assert len(gcs_wire.object_requests(server)) == 1


@pytest.mark.usefixtures("impatient")
def test_pause_asked_for_to_the_end_reaches_the_run(lake: GcsLake, wire: GcsWire) -> None:
    wire.faults.extend([gcs_wire.error(503, "Backend Error", Retry_After="0")] * 50)
    with pytest.raises(RetryableError, match="ServiceUnavailable") as failure:
        lake.stat("x")
    assert failure.value.retry_after == 0


@every_call
def test_bucket_that_does_not_exist_is_named(
    server: ScriptedServer, tmp_path: Path, file: Path, call: Callable[[GcsLake, Path], object]
) -> None:
    with pytest.raises(ConfigurationError, match=r"bucket absent does not exist.*LAKE_URL"):
        call(_lake(server.url, tmp_path, "gs://absent/top"), file)


def test_failed_take_keeps_the_file(lake: GcsLake, wire: GcsWire, file: Path) -> None:
    wire.faults.append(gcs_wire.error(403, "no"))
    with pytest.raises(ConfigurationError):
        lake.upload(file, "x")
    assert file.read_bytes() == b"rows"
    assert not list(file.parent.glob("cache/**/*"))


def test_object_replaced_while_it_is_read_is_retryable(wire: GcsWire, tmp_path: Path) -> None:
    wire.put("top/m.json", b"old")

    def replaced_once_seen(request: Request) -> Answer:
        answer = wire.answer(request)
        if wire.objects["top/m.json"][1] == b"old" and b'"size"' in answer.body:
            wire.put("top/m.json", b"new")
        return answer

    with serve(replaced_once_seen) as server:
        lake = _lake(server.url, tmp_path)
        with pytest.raises(RetryableError, match=r"top/m\.json was replaced"):
            lake.read("m.json")
        assert lake.read("m.json") == (b"new", wire.objects["top/m.json"][0])


def test_object_replaced_while_it_is_open_is_retryable(lake: GcsLake, wire: GcsWire) -> None:
    wire.put("top/x", b"old")
    with (  # noqa: PT012 - the error comes with the read, not with the opening
        pytest.raises(RetryableError, match="top/x was replaced"),
        lake.open_range("x") as stream,
    ):
        wire.put("top/x", b"new")
        stream.read()


def test_object_is_read_whole_as_it_was_when_opened(lake: GcsLake, wire: GcsWire) -> None:
    wire.put("top/x", b"old")
    with lake.open("x") as stream:
        wire.put("top/x", b"new")
        assert stream.read() == b"old"


def test_peek_fetches_no_more_than_it_reads(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire
) -> None:
    wire.put("top/x", bytes(8 * MIB) + b"footer")
    with lake.open_range("x") as stream:
        assert stream.seek(-6, io.SEEK_END) == 8 * MIB
        assert stream.read(6) == b"footer"
        assert stream.read(1) == b""
    (download,) = [r for r in server.requests if r.path.startswith("/download")]
    assert download.headers["Range"] == f"bytes={8 * MIB}-{8 * MIB + 5}"


def test_reader_asks_for_the_generation_it_opened(
    lake: GcsLake, server: ScriptedServer, wire: GcsWire
) -> None:
    generation = wire.put("top/x", b"rows")
    with lake.open("x") as stream:
        assert stream.read() == b"rows"
    with lake.open_range("x") as stream:
        assert stream.read() == b"rows"
    assert lake.read("x") == (b"rows", generation)
    downloads = [r for r in server.requests if r.path.startswith("/download")]
    assert [request.query["generation"] for request in downloads] == [str(generation)] * 3


def test_small_upload_lets_the_store_check_its_bytes(
    lake: GcsLake, server: ScriptedServer, file: Path
) -> None:
    stored = lake.upload(file, "x")
    (request,) = gcs_wire.object_requests(server)
    assert f'"crc32c": "{stored.crc32c}"'.encode() in request.body


def test_large_file_damaged_on_the_way_up_is_retryable(
    lake: GcsLake, wire: GcsWire, file: Path
) -> None:
    file.write_bytes(bytes(9 * MIB))
    wire.crc32c_of = b"something else arrived"
    with pytest.raises(RetryableError):
        lake.upload(file, "x")
    assert file.exists()


def test_bytes_damaged_on_the_way_down_are_retryable(
    lake: GcsLake, wire: GcsWire, tmp_path: Path
) -> None:
    wire.put("top/m.json", b"rows")
    wire.crc32c_of = b"something else was stored"
    with pytest.raises(RetryableError):
        lake.read("m.json")
    with pytest.raises(RetryableError), lake.open("m.json"):
        pytest.fail("damaged bytes were given out")
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


@pytest.mark.parametrize("damaged", [False, True])
def test_download_that_breaks_off_is_resumed_and_then_verified(
    wire: GcsWire, tmp_path: Path, damaged: bool
) -> None:
    content = os.urandom(2 * MIB)
    wire.put("top/x", content)

    def breaks_off_once(request: Request) -> Answer:
        answer = wire.answer(request)
        if not request.path.startswith("/download"):
            return answer
        if "Range" not in request.headers:
            return Answer(200, {**answer.headers, "Content-Length": f"{2 * MIB}"}, content[:MIB])
        # The library verifies no download that was resumed.
        return Answer(206, answer.headers, bytes(len(answer.body)) if damaged else answer.body)

    with serve(breaks_off_once) as server:
        lake = _lake(server.url, tmp_path)
        if damaged:
            with pytest.raises(RetryableError, match="damaged on the way"), lake.open("x"):
                pytest.fail("damaged bytes were given out")
        else:
            with lake.open("x") as stream:
                assert stream.read() == content


def test_downloaded_object_is_not_kept_on_local_disk(
    lake: GcsLake, wire: GcsWire, tmp_path: Path
) -> None:
    wire.put("top/x", b"rows")
    with lake.open("x") as first, lake.open("x") as second:
        assert first.read() == second.read() == b"rows"
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


def test_error_of_whoever_reads_is_left_alone(lake: GcsLake, wire: GcsWire) -> None:
    wire.put("top/x", b"rows")
    with pytest.raises(KeyError, match="ours"), lake.open("x"):
        raise KeyError("ours")


NOT_THE_STORES = {
    "an empty object": (200, b"{}"),
    "a list": (200, b"[]"),
    "null": (200, b"null"),
    "a size that is no number": (200, b'{"size": "x", "generation": "1", "crc32c": ""}'),
    "a checksum that is no text": (200, b'{"size": "1", "generation": "1", "crc32c": 5}'),
    "no error": (500, b'{"error": null}'),
    "an error that is a text": (403, b'{"error": "x"}'),
}


@pytest.mark.parametrize(("status", "body"), NOT_THE_STORES.values(), ids=NOT_THE_STORES)
def test_json_that_is_not_the_stores_is_retryable(
    tmp_path: Path, impatient: None, status: int, body: bytes
) -> None:
    """Found by fuzzing: it is a proxy's, and no defect of ours."""
    answer = Answer(status, {"Content-Type": "application/json"}, body)
    with serve(lambda _: answer) as server:
        lake = _lake(server.url, tmp_path)
        for ask in (lambda: lake.stat("x"), lambda: lake.copy("x", "y", if_generation=0)):
            with pytest.raises(RetryableError, match="gs://lake/top did not answer well for x"):
                ask()


def test_objects_whose_names_are_no_paths_are_left_out(lake: GcsLake, wire: GcsWire) -> None:
    """Google's console marks a folder by an object `trips/`; anybody may name others at will."""
    for name in ("trips/", "trips/a//b", "trips/../x", "trips/a\nb", "trips/a\\b", "trips/ok"):
        wire.put(f"top/{name}", b"1")
    assert [stored.path for stored in lake.list("trips/")] == ["trips/ok"]
