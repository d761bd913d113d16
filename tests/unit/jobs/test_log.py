"""What a run tells: short on the screen, all of it in a file."""

import fcntl
import logging
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from nyc_tlc.core.errors import ConfigurationError, PartitionsFailedError
from nyc_tlc.jobs.alerts import tell_of_failed_block
from nyc_tlc.jobs.log import configure_logging, on_one_screen, sentence
from tests.repository import ROOT


def _file(folder: Path) -> Path:
    (file,) = (folder / "logs").glob("*.log")
    return file


def test_the_screen_has_what_matters_and_the_file_everything(logger, tmp_path, capsys):
    configure_logging("WARNING", tmp_path)
    assert not (tmp_path / "logs").exists()
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        logger.log(level, "said at level %d", level)
    configure_logging("WARNING", tmp_path)
    assert capsys.readouterr().out == "said at level 30\n"
    told = _file(tmp_path).read_text("utf-8").splitlines()
    assert [line.partition("nyc_tlc ")[2] for line in told] == [
        "said at level 10", "said at level 20", "said at level 30",
    ]  # fmt: skip
    assert _file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_an_error_ends_with_the_name_of_the_file_that_has_the_rest(logger, tmp_path):
    configure_logging("INFO", tmp_path)
    failed = PartitionsFailedError("2 of 2 failed:\n  a\n  b", details="every month, and why")
    *told, last = on_one_screen(failed).splitlines()
    assert told == ["2 of 2 failed:", "  a", "  b"]
    assert last == f"Log, with all that is not shown here: {_file(tmp_path)}"
    assert "every month, and why" in _file(tmp_path).read_text("utf-8")


@pytest.mark.parametrize("place", ["a file", "a closed folder"])
def test_a_run_does_not_fail_for_its_log(logger, tmp_path, place, capsys):
    folder = tmp_path / "work"
    folder.touch() if place == "a file" else folder.symlink_to("/proc")
    configure_logging("INFO", folder)
    logger.warning("it goes on")
    assert on_one_screen(ConfigurationError("wrong")) == "wrong"
    assert capsys.readouterr().out == "it goes on\n"


def test_the_logs_of_the_last_fifty_runs_are_kept(logger, tmp_path):
    (tmp_path / "logs").mkdir()
    for number in range(60):
        (tmp_path / "logs" / f"20240101T0000{number:02}Z-1.log").touch()
    configure_logging("INFO", tmp_path)
    logger.warning("one more")
    kept = sorted((tmp_path / "logs").iterdir())
    assert len(kept) == 50
    assert kept[0].name == "20240101T000011Z-1.log"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("wrong", "wrong"),
        (ConfigurationError("a:\n  b\nNothing was started."), "a: b"),
        (PartitionsFailedError("2 of 3 failed:\n  x: why\n  y: else"), "2 of 3 failed: x: why"),
        ("x" * 2_000, "x" * 1_000 + "…"),
    ],
)
def test_an_error_in_one_sentence(error, said):
    assert sentence(error) == said


@pytest.mark.filterwarnings("ignore")  # of Mage's imports
def test_levels_reach_mages_log_of_a_block(logger, tmp_path, monkeypatch):
    """What Mage redirects standard output to takes every line for INFO."""
    from mage_ai.data_preparation.logging.logger import DictLogger
    from mage_ai.data_preparation.shared.stream import StreamToLogger

    said: list[logging.LogRecord] = []
    of_block = logging.getLogger("of a block")
    of_block.setLevel(logging.INFO)
    monkeypatch.setattr(of_block, "handle", said.append)
    configure_logging("INFO", tmp_path)
    redirected = StreamToLogger(DictLogger(of_block), logging_tags={"block_uuid": "land_trips"})
    monkeypatch.setattr(sys, "stdout", redirected)
    logger.info("first\nsecond")
    logger.error("third")
    assert [record.levelno for record in said] == [logging.INFO, logging.INFO, logging.ERROR]
    assert '"level": "ERROR"' in said[2].getMessage()
    assert '"message": "third"' in said[2].getMessage()


def test_a_failed_block_says_why_in_one_line_though_the_settings_are_wrong(
    logger, monkeypatch, capsys
):
    monkeypatch.setenv("TLC_WORKERS", "many")
    tell_of_failed_block("tlc_trips", ConfigurationError("settings are wrong:\n  TLC_WORKERS"))
    assert capsys.readouterr().out == "settings are wrong: TLC_WORKERS\n"


_PROGRAM = """
import warnings
from pathlib import Path
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.jobs.log import configure_logging, fail_on_one_screen
fail_on_one_screen()
configure_logging("INFO", Path("{}"))
warnings.warn("of a library", FutureWarning)
raise {}
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('ConfigurationError("months is empty. Nothing was started")', "months is empty. Nothing"),
        ('KeyError("a")', "KeyError: 'a' (at <string>:9). If it comes again, it is a defect"),
    ],
)  # fmt: skip
def test_a_process_ends_without_its_stack_trace(error, said, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", _PROGRAM.format(tmp_path, error)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    told = ended.stderr.strip().splitlines()
    assert told[0].startswith(said)
    assert told[1:] == [f"Log, with all that is not shown here: {_file(tmp_path)}"]
    kept = _file(tmp_path).read_text("utf-8")
    assert "FutureWarning: of a library" in kept
    assert "Traceback (most recent call last)" in kept


_DOWNLOADS = """
import logging, sys, time
from nyc_tlc.adapters.source import progress
from nyc_tlc.jobs.log import configure_logging
from pathlib import Path
configure_logging("INFO", Path(sys.argv[1]))
progress._EVERY = 0
with progress.downloading("green", 40, 10) as green, progress.downloading("yellow", 60, 0) as yellow:
    for _ in range(3):
        green(10), yellow(20)
        time.sleep(0.15)
    logging.getLogger("nyc_tlc").info("a line of the log")
"""  # noqa: E501


def test_progress_is_one_line_that_moves_in_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
    words = [sys.executable, "-c", _DOWNLOADS, str(tmp_path)]
    subprocess.run(words, cwd=ROOT, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    screen = b""
    while True:
        try:
            screen += os.read(ours, 65_536)
        except OSError:  # that the other end is closed
            break
    os.close(ours)
    lines = screen.decode().split("\r\n")
    assert len(lines) == 2, lines
    assert lines[0].endswith("\ra line of the log")
    assert "green, yellow" in lines[0]
    assert "100%" in screen.decode()
    assert b"\x1b[A" not in screen  # no second line


def test_progress_is_plain_lines_elsewhere(tmp_path):
    words = [sys.executable, "-c", _DOWNLOADS, str(tmp_path)]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    lines = told.stdout.splitlines()
    assert lines[0] == "green: 0.0 of 0.0 MB"
    assert len(lines) == 7
    assert "\r" not in told.stdout
