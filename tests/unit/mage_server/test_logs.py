"""What the server prints of itself."""

import errno
import io
import logging
import os
import sys

from sqlalchemy.exc import OperationalError

from mage_server import logs
from mage_server.logs import OnceAMinute


def test_the_same_trouble_is_told_once_a_minute():
    passes = OnceAMinute().filter

    def record(second, text, level=logging.ERROR):
        made = logging.LogRecord("mage", level, "file", 1, text, None, None)
        made.created = 1_000_000.0 + second
        return made

    assert passes(record(0, "port 5432 refused, try 1"))
    assert not passes(record(59, "port 5432 refused, try 2"))
    assert passes(record(59, "another trouble"))
    assert passes(record(61, "port 5432 refused, try 3"))
    assert passes(record(61, "a run began", logging.INFO))
    assert passes(record(61, "a run began", logging.INFO))


def test_a_database_that_is_away_is_one_line():
    error = OperationalError("select 1", {}, Exception("connection\n  refused"))
    record = logging.LogRecord(
        "mage", logging.ERROR, "file", 1, "Failed", None, (None, error, None)
    )
    assert OnceAMinute().filter(record)
    assert record.exc_info is None
    assert "does not answer: connection refused." in record.getMessage()


class FullDisk(io.StringIO):
    def write(self, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_on_a_full_disk_is_one_line_a_minute(capsys, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(logging.Handler, "handleError", logging.Handler.handleError)
    logs._tell_of_full_disks(OnceAMinute())
    for number in range(3):
        logging.StreamHandler(FullDisk()).handle(logging.makeLogRecord({"msg": f"line {number}"}))
    (line,) = capsys.readouterr().err.splitlines()
    assert "Mage's log (MAGE_DATA_DIR) cannot be used: No space left on device" in line
