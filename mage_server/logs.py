"""What Mage's server prints of itself: nothing while idle, and no trouble twice a minute.

Measured on 2026-11-28: 24 lines a minute while idle, 3,240 in 100 s with its database away.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from nyc_tlc.core.os_errors import no_room

_logger = logging.getLogger(__name__)
VERBOSITY = {"SERVER_VERBOSITY": "WARNING"}
"""Mage's setting; what pipelines log is not meant by it."""
_AGAIN = 60.0
"""Seconds until the same trouble is worth another line."""
_REMEMBERED = 1000


class OnceAMinute(logging.Filter):
    """Lets a warning or an error pass if none that differs in digits alone did within a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        said = f"{record.name} {record.getMessage()}"
        if cause := _outage(record.exc_info[1] if record.exc_info else None):
            record.msg, record.args, record.exc_info = cause, (), None
            said = cause
        key = re.sub(r"\d+", "0", said)[:1000]
        if record.created - self._passed.get(key, 0.0) < _AGAIN:
            return False
        if len(self._passed) >= _REMEMBERED:
            self._passed.clear()
        self._passed[key] = record.created
        return True


def quiet() -> None:
    """Filter what goes to the console; the logs of runs are files of their own.

    Where Mage's own database is away, Mage 0.9.80 prints some 70 lines of traceback for every try:
    by its loggers, by ``traceback.print_exc``, and as the end of its scheduler's process, which it
    starts again 20 s later.
    """
    from mage_ai.server import scheduler_manager, server

    once_a_minute = OnceAMinute()
    for module in (server, scheduler_manager):
        module.set_logging_format = _filtered(module.set_logging_format, once_a_minute)
    print_exc, run_scheduler = traceback.print_exc, scheduler_manager.run_scheduler

    @wraps(print_exc)
    def print_exc_or_cause(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as it is called
        if _outage(error := sys.exception()):
            _logger.error("", exc_info=error)
        else:
            print_exc(*arguments, **options)

    @wraps(run_scheduler)
    def run_scheduler_or_say() -> None:
        try:
            run_scheduler()
        except Exception as error:
            if not _outage(error):
                raise
            sys.exit(1)

    _tell_of_full_disks(once_a_minute)
    traceback.print_exc = print_exc_or_cause
    scheduler_manager.run_scheduler = run_scheduler_or_say


def _tell_of_full_disks(once_a_minute: OnceAMinute) -> None:
    """Say so once a minute, where ``logging`` prints a stack for every line that it cannot write.

    It printed 65,000 lines for one failed run, whose reason was in 7 of them.
    """
    handle_error = logging.Handler.handleError

    @wraps(handle_error)
    def say_that_the_disk_is_full(handler: logging.Handler, record: logging.LogRecord) -> None:
        trouble = no_room(sys.exception(), "Mage's log (MAGE_DATA_DIR)")
        if trouble is None:
            handle_error(handler, record)
            return
        told = logging.LogRecord(__name__, logging.ERROR, "", 0, str(trouble), (), None)
        # Not to sys.stderr: in a block, Mage sends that to the log.
        if sys.__stderr__ and once_a_minute.filter(told):
            print(f"nyc-tlc: {trouble}", file=sys.__stderr__, flush=True)

    logging.Handler.handleError = say_that_the_disk_is_full  # type: ignore[method-assign, assignment] # as _Wrapped


def _filtered(set_format: Callable[..., None], only: logging.Filter) -> Callable[..., None]:
    """Mage's function that replaces the handler of the console, with a filter on the new one."""

    @wraps(set_format)
    def set_format_and_filter(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as called
        set_format(*arguments, **options)
        for handler in logging.getLogger().handlers:
            handler.addFilter(only)

    return set_format_and_filter


def _outage(error: BaseException | None) -> str | None:
    """One line on a full disk or a database that cannot be reached; None for any other error."""
    if full := no_room(error, "Mage's own data (MAGE_DATA_DIR)"):
        return str(full)
    from sqlalchemy.exc import OperationalError

    if not isinstance(error, OperationalError):
        return None
    cause = " ".join(str(error.orig).split())
    return f"Mage's own database does not answer: {cause}. Mage goes on once it does"
