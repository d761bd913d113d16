"""What the operating system refuses is said with what to do: every errno, many of them for real."""

import errno
import os
import re
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError
from nyc_tlc.core.os_errors import OS_REFUSALS, os_errors_explained
from nyc_tlc.steps.run_each import Effort, retried
from nyc_tlc.steps.staging import work_folder
from tests.repository import ROOT


def _refused(attempt: Callable[[], object]) -> PipelineError:
    with pytest.raises(PipelineError) as failure:
        retried(attempt, "green 2024-01", Effort(1, attempts=1))
    return failure.value


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("number", [*sorted(errno.errorcode), 9_999])
def test_every_errno_is_known_or_shown_as_it_came(number):
    error = _refused(lambda: _raise(OSError(number, os.strerror(number), "/work/x.parquet")))
    name = errno.errorcode.get(number, number)
    shown = f"/work/x.parquet cannot be used: {os.strerror(number)} ({name}"
    refusal = OS_REFUSALS.get(number)
    if refusal is None:
        assert f"{shown}, not recognised)" in str(error)
    else:
        assert f"{shown}). What was there stays as it was. {refusal.next_step}" in str(error)
        assert type(error) is refusal.kind
        with pytest.raises(refusal.kind) as explained, os_errors_explained():
            raise OSError(number, "")
        end = "" if refusal.kind is RetryableError else "."
        assert str(explained.value).endswith(f" {refusal.next_step}{end}")


@contextmanager
def _limit(kind: int, value: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def _open_without_end() -> None:
    with _limit(resource.RLIMIT_NOFILE, 64), ExitStack() as files:
        while True:
            files.enter_context(Path("/dev/null").open())


def _write_much(folder: Path) -> None:
    with _limit(resource.RLIMIT_FSIZE, 1 << 16):
        (folder / "large").write_bytes(bytes(1 << 17))


def _write_parquet() -> None:
    # Not by its path: pq.write_table deletes what it could not write.
    with pa.OSFile("/dev/full", "wb") as file:
        pq.write_table(pa.table({"a": range(99)}), file)


def _follow_in_circles(folder: Path) -> None:
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "circle").read_bytes()


@pytest.mark.parametrize(
    ("attempt", "error", "words"),
    [
        (lambda _: Path("/dev/full").write_text("x"), RetryableError, "ENOSPC.*Make room"),
        (lambda _: _write_parquet(), RetryableError, "ENOSPC.*Make room"),
        (lambda folder: (folder / ("x" * 300)).touch(), ConfigurationError, "ENAMETOOLONG.*short"),
        (lambda _: Path("/dev/null/x").touch(), ConfigurationError, "ENOTDIR.*move it away"),
        (lambda folder: folder.write_text(""), ConfigurationError, "EISDIR.*move it away"),
        (lambda folder: folder.mkdir(), ConfigurationError, "EEXIST.*move it away"),
        (lambda folder: (folder / "absent" / "x").touch(), RetryableError, "ENOENT.*clean-up"),
        (_follow_in_circles, ConfigurationError, "ELOOP.*move it away"),
        (lambda _: _open_without_end(), RetryableError, "EMFILE.*ulimit -n"),
        (_write_much, ConfigurationError, "EFBIG.*local disk"),
    ],
)  # fmt: skip
def test_what_the_system_really_refuses(tmp_path, attempt, error, words):
    refused = _refused(lambda: attempt(tmp_path))
    assert type(refused) is error
    assert re.search(words, str(refused))


def test_a_work_folder_that_is_full_or_in_the_way_is_no_defect(tmp_path):
    with pytest.raises(RetryableError, match=r"ENOSPC.*TLC_WORK_DIR"), work_folder(tmp_path, "w"):
        Path("/dev/full").write_text("x")
    assert (tmp_path / "w").is_dir()
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match=r"file.*ENOTDIR.*TLC_WORK_DIR"),
        work_folder(tmp_path / "file", "w"),
    ):
        pass


def test_a_number_in_the_words_of_a_rust_library_counts():
    error = _refused(lambda: _raise(OSError("No space left on device (os error 28)")))
    assert type(error) is RetryableError
    assert "ENOSPC" in str(error)


@pytest.mark.parametrize(
    "error",
    [ssl.SSLError(1, "bad"), socket.gaierror(-2, "unknown"), requests.ConnectionError("reset"),
     OSError("no number")],
)  # fmt: skip
def test_what_is_not_the_systems_is_left_to_those_who_know_it(error):
    with pytest.raises(type(error)):
        retried(lambda: _raise(error), "green 2024-01", Effort(1, attempts=1))


def test_the_runbook_lists_every_errno():
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    steps: dict[str, list[str]] = {}
    for number, (_, step) in OS_REFUSALS.items():
        steps.setdefault(step, []).append(errno.errorcode[number])
    for step, names in steps.items():
        assert f"| {', '.join(names)} | {step} |" in page
