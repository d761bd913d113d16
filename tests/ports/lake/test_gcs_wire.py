"""What the bucket's lake sends to Cloud Storage, and what it makes of the answers.

The emulator ignores preconditions and never fails; this server heeds them and fails on demand.
"""

import io
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import gcs
from nyc_tlc.adapters.lake.gcs import GcsLake
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError, RetryableError
from tests.ports.lake import gcs_wire
from tests.ports.lake.gcs_wire import GcsWire
from tests.ports.scripted_http import Answer, Request, ScriptedServer, serve

MIB = 1 << 20
CONTENT = os.urandom(MIB) * 9
ROBOT = "robot@project.iam.gserviceaccount.com"
DOWN = gcs_wire.error(503, "Backend Error")
Call = Callable[[GcsLake, Path], object]

# Each with the permission that it takes.
CALLS: dict[str, tuple[str, Call]] = {
    "stat": ("get", lambda lake, _: lake.stat("x")),
    "read": ("get", lambda lake, _: lake.read("x")),
    "write": ("create", lambda lake, _: lake.write("x", b"1", if_generation=None)),
    "upload": ("create", lambda lake, file: lake.upload(file, "x")),
    "upload in chunks": (
        "create",
        lambda lake, file: (os.truncate(file, 9 * MIB), lake.upload(file, "x")),
    ),
    "copy": ("get", lambda lake, _: lake.copy("x", "y", if_generation=0)),
    "open": ("get", lambda lake, _: lake.open("x").__enter__()),
    "open_range": ("get", lambda lake, _: lake.open_range("x").__enter__()),
    "delete": ("delete", lambda lake, _: lake.delete("x")),
    "list": ("list", lambda lake, _: list(lake.list(""))),
}
every_call = pytest.mark.parametrize("call", [call for _, call in CALLS.values()], ids=CALLS)


@pytest.fixture
def wire() -> GcsWire:
    return GcsWire()


@pytest.fixture
def lake(server, tmp_path) -> GcsLake:
    return _lake(server.url, tmp_path)


@pytest.fixture
def file(tmp_path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"rows")
    return file


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Let the library give up at once."""
    monkeypatch.setattr(gcs, "BLIP", 0.2)
    monkeypatch.setattr(gcs, "UPLOAD_OUTAGE", 0.2)


def _lake(endpoint: str, tmp_path: Path) -> GcsLake:
    cache = tmp_path / "cache"
    return gcs.connect("gs://lake/top", cache=cache, emulator=endpoint, key_file=None)


def _sent(server: ScriptedServer, method: str) -> list[Request]:
    return [r for r in gcs_wire.object_requests(server) if r.method == method]


def _downloads(server: ScriptedServer) -> list[Request]:
    return [r for r in server.requests if r.path.startswith("/download")]


def test_write_sends_the_generation_it_expects(lake, server, wire):
    first = lake.write("m.json", b"1", if_generation=0)
    lake.write("m.json", b"2", if_generation=first.generation)
    lake.write("m.json", b"3", if_generation=None)
    sent = [request.query.get("ifGenerationMatch") for request in _sent(server, "POST")]
    assert sent == ["0", str(first.generation), None]
    assert wire.objects["top/m.json"][1] == b"3"


def test_copy_sends_the_generation_it_expects_in_every_round(lake, server, wire):
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
@pytest.mark.parametrize(
    "change",
    [
        lambda lake, seen: lake.write("x", b"ours", if_generation=seen),
        lambda lake, seen: lake.copy("staged", "x", if_generation=seen),
    ],
)
def test_object_that_changed_is_not_replaced(lake, wire, change, expected):
    wire.put("top/staged", b"ours")
    wire.put("top/x", b"theirs")
    before = dict(wire.objects)
    with pytest.raises(ReconciliationError, match="gs://lake/top/x was changed"):
        change(lake, expected)
    assert wire.objects == before


def test_small_file_goes_at_once_with_its_checksum_and_without_a_condition(lake, server, file):
    stored = lake.upload(file, "x")
    (request,) = gcs_wire.object_requests(server)
    assert "ifGenerationMatch" not in request.query
    assert request.query["uploadType"] == "multipart"
    assert f'"crc32c": "{stored.crc32c}"'.encode() in request.body


def test_large_file_goes_in_chunks_of_8_mib(lake, server, wire, file):
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


@pytest.mark.parametrize(
    ("faults", "lost", "sent"),
    [([None, DOWN], [], [8, 8, 1]), ([], [None, None, DOWN], [8, 1, 1])],
    ids=["chunk refused", "answer to the last chunk lost"],
)
def test_only_the_chunk_that_met_a_fault_is_sent_again(
    lake, server, wire, file, faults, lost, sent
):
    file.write_bytes(CONTENT)
    wire.faults.extend(faults)
    wire.lost.extend(lost)
    stored = lake.upload(file, "x")
    assert [len(chunk.body) // MIB for chunk in _sent(server, "PUT")] == sent
    assert wire.objects == {"top/x": (stored.generation, CONTENT)}


def test_upload_of_which_the_store_kept_less_is_started_over_by_the_run(lake, wire, file):
    file.write_bytes(CONTENT)
    wire.keeps_little = gcs_wire.QUARTER
    with pytest.raises(RetryableError, match="upload of gs://lake/top/x was broken off"):
        lake.upload(file, "x")
    assert (file.read_bytes(), wire.objects) == (CONTENT, {})
    wire.keeps_little = 0
    lake.upload(file, "x")
    assert wire.objects["top/x"][1] == CONTENT


def test_lost_answer_to_a_write_is_not_taken_for_another_run(lake, wire):
    wire.lost.append(DOWN)
    stored = lake.write("m.json", b"ours", if_generation=0)
    assert wire.objects["top/m.json"] == (stored.generation, b"ours")


@every_call
def test_call_is_repeated_after_the_pause_that_was_asked_for_under_the_same_token(
    lake, server, wire, file, call, monkeypatch
):
    """By the token Cloud Storage knows a repetition."""
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
    (first,), (second,) = [
        re.findall(r"gccl-invocation-id/(\S+)", request.headers["X-Goog-API-Client"])
        for request in gcs_wire.object_requests(server)[:2]
    ]
    assert first == second


BUSY = gcs_wire.error(503, "Backend Error", Retry_After="0")
BUSY_FOR_AN_HOUR = gcs_wire.error(429, "Slow down", Retry_After="3600")
NO_ANSWER = (
    r"gs://lake/top returned an unexpected response .*\(503 (ServiceUnavailable|InvalidResponse)\)"
)
FAULTS = {
    "down": ([DOWN] * 50, NO_ANSWER, None),
    "busy": ([BUSY] * 50, NO_ANSWER, 0),
    "busy for an hour": ([BUSY_FOR_AN_HOUR], "TooManyRequests", 3600),
    "no bucket": ([gcs_wire.no_bucket()], "bucket lake does not exist.*LAKE_URL", None),
}


@pytest.mark.usefixtures("impatient")
@every_call
@pytest.mark.parametrize(("faults", "says", "pause"), FAULTS.values(), ids=FAULTS)
def test_fault_that_stays_is_explained(lake, server, wire, file, call, faults, says, pause):
    wire.faults.extend(faults)
    with pytest.raises((RetryableError, ConfigurationError), match=says) as failure:
        call(lake, file)
    assert isinstance(failure.value, RetryableError) == ("bucket" not in says)
    assert getattr(failure.value, "retry_after", None) == pause
    assert len(faults) > 1 or len(gcs_wire.object_requests(server)) == 1
    assert wire.objects == {}


@pytest.mark.usefixtures("impatient")
@every_call
def test_store_that_is_not_there_is_retryable(tmp_path, file, call):
    with pytest.raises(RetryableError, match=r"nothing listens at 127.0.0.1:1 \(connection ref"):
        call(_lake("http://127.0.0.1:1", tmp_path), file)


@pytest.mark.parametrize(("permission", "call"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("named", [True, False])
def test_refusal_names_the_permission_and_how_to_grant_it(
    lake, wire, file, permission, call, named
):
    permission = f"storage.objects.{permission}"
    message = f"{ROBOT} does not have {permission} access to the object"
    refusal = gcs_wire.error(403, message if named else "Access denied.", "forbidden")
    wire.faults.extend([refusal] * 5)
    with pytest.raises(ConfigurationError) as failure:
        call(lake, file)
    said = str(failure.value)
    assert f"permission {permission}, which roles/storage.objectUser has" in said
    assert "gcloud storage buckets add-iam-policy-binding gs://lake --member=" in said
    if named:
        assert message in said
        assert f"--member=serviceAccount:{ROBOT} --role=roles/storage.objectUser" in said


NOT_PERMITTED = {
    "billing": (403, "The billing account is disabled", "accountDisabled", "Billing is off"),
    "retention": (
        403,
        "subject to retention policy",
        "retentionPolicyNotMet",
        "off bucket lake",
    ),
    "perimeter": (403, "prohibited by policy", "vpcServiceControls", "no role helps"),
    "permission": (403, "no", "forbidden", "Nothing was written there"),
    "token": (401, "Invalid Credentials", "", "GOOGLE_APPLICATION_CREDENTIALS"),
}


@pytest.mark.parametrize(
    ("status", "message", "reason", "advice"), NOT_PERMITTED.values(), ids=NOT_PERMITTED
)
def test_refused_write_changes_nothing_and_advises_a_role_only_where_it_helps(
    lake, wire, file, status, message, reason, advice
):
    wire.put("top/x", b"theirs")
    before = dict(wire.objects)
    for call in ("write", "upload"):
        wire.faults.append(gcs_wire.error(status, message, reason))
        with pytest.raises(ConfigurationError, match=advice) as failure:
            CALLS[call][1](lake, file)
        assert ("--role" in str(failure.value)) == (reason == "forbidden")
        assert (message in str(failure.value)) == (status == 403)
    assert wire.objects == before
    assert file.read_bytes() == b"rows"
    assert not list(file.parent.glob("cache/**/*"))


@pytest.mark.parametrize("method", ["read", "open", "open_range"])
def test_object_replaced_while_it_is_read_is_retryable(lake, wire, monkeypatch, method):
    wire.put("top/x", b"old")
    seen = lake.stat("x")
    wire.put("top/x", b"new")
    monkeypatch.setattr(lake, "stat", lambda _path: seen)
    with pytest.raises(RetryableError, match="top/x was replaced while it was read"):
        lake.read("x") if method == "read" else getattr(lake, method)("x").__enter__().read()


def test_open_range_fetches_no_more_than_it_reads(lake, server, wire):
    wire.put("top/x", bytes(8 * MIB) + b"footer")
    with lake.open_range("x") as stream:
        assert stream.seek(-6, io.SEEK_END) == 8 * MIB
        assert stream.read(6) == b"footer"
        assert stream.read(1) == b""
    (download,) = _downloads(server)
    assert download.headers["Range"] == f"bytes={8 * MIB}-{8 * MIB + 5}"


def test_reader_asks_for_the_generation_it_opened(lake, server, wire):
    generation = wire.put("top/x", b"rows")
    for opened in (lake.open("x"), lake.open_range("x")):
        with opened as stream:
            assert stream.read() == b"rows"
    assert lake.read("x") == (b"rows", generation)
    assert [r.query["generation"] for r in _downloads(server)] == [str(generation)] * 3


def test_bytes_damaged_on_the_way_are_retryable(lake, wire, tmp_path, file):
    wire.put("top/x", b"rows")
    file.write_bytes(CONTENT)
    wire.crc32c_of = b"something else arrived"
    with pytest.raises(RetryableError):
        lake.upload(file, "y")
    assert file.exists()
    with pytest.raises(RetryableError, match=r"was damaged.*expected"):
        lake.read("x")
    with pytest.raises(RetryableError), lake.open("x"):
        pytest.fail("damaged bytes were given out")
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


@pytest.mark.parametrize("damaged", [False, True])
def test_download_that_breaks_off_is_resumed_and_then_verified(wire, tmp_path, damaged):
    wire.put("top/x", CONTENT)

    def breaks_off_once(request: Request) -> Answer:
        answer = wire.answer(request)
        if not request.path.startswith("/download"):
            return answer
        if "Range" not in request.headers:
            headers = {**answer.headers, "Content-Length": str(len(CONTENT))}
            return Answer(200, headers, CONTENT[:MIB])
        # The library verifies no download that was resumed.
        return Answer(206, answer.headers, bytes(len(answer.body)) if damaged else answer.body)

    with serve(breaks_off_once) as server:
        lake = _lake(server.url, tmp_path)
        if damaged:
            with pytest.raises(RetryableError, match="damaged on the way"), lake.open("x"):
                pytest.fail("damaged bytes were given out")
        else:
            with lake.open("x") as stream:
                assert stream.read() == CONTENT


def test_error_of_the_reader_passes_unchanged(lake, wire):
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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("status", "body"), NOT_THE_STORES.values(), ids=NOT_THE_STORES)
@pytest.mark.parametrize("call", ["stat", "copy"])
def test_json_that_is_not_the_stores_is_retryable(lake, wire, file, status, body, call):
    """Found by fuzzing: it is a proxy's, and no defect of ours."""
    wire.faults.extend([Answer(status, {"Content-Type": "application/json"}, body)] * 50)
    with pytest.raises(RetryableError, match="gs://lake/top returned an unexpected response for x"):
        CALLS[call][1](lake, file)


def test_objects_whose_names_are_no_paths_are_left_out(lake, wire):
    """Google's console marks a folder by an object `trips/`; anybody may name others at will."""
    for name in ("trips/", "trips/a//b", "trips/../x", "trips/a\nb", "trips/a\\b", "trips/ok"):
        wire.put(f"top/{name}", b"1")
    assert [stored.path for stored in lake.list("trips/")] == ["trips/ok"]
