"""What a run tells: on the screen what matters, in its log file everything."""

import logging
import os
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TextIO, TypeVar

import tqdm

from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.os_errors import no_room
from nyc_tlc.settings import Settings
from nyc_tlc.work_dir import DEFAULT_WORK_DIR, require_own

H = TypeVar("H", bound=logging.Handler)

_LOGGER = "nyc_tlc"
_MOST_FILES = 50
_MOST_IN_A_SENTENCE = 1_000
"""Characters."""


def configure_logging(level: str = "INFO", work_dir: Path = DEFAULT_WORK_DIR) -> None:
    """Send the log to standard output, where Mage collects what a block prints, and to a file.

    Args:
        level: Of standard output; the file gets everything.
        work_dir: Where ``logs/`` is, or is made.
    """
    logger = logging.getLogger(_LOGGER)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    screens = _handlers(_Screen)
    if not screens:
        screens = [_Screen()]
        logger.addHandler(screens[0])
    screens[0].setLevel(level)
    _log_to(work_dir / "logs")


def fail_on_one_screen() -> None:
    """Let this process end without its stack trace, which goes to the log file, as do warnings."""
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").propagate = False
    sys.excepthook = _told_briefly


def on_one_screen(error: BaseException) -> str:
    """What an error says at the end of a run, and where the rest of it is."""
    full = no_room(error, "Mage's own data (MAGE_DATA_DIR)")
    if full or isinstance(error, PipelineError):
        told = f"{full}." if full else str(error)
    else:
        told = (
            f"{type(error).__name__}: {error}{_place(error)}. If it comes again, it is a defect to "
            "report, unless the block is your own."
        )
    _require_file()
    logging.getLogger(_LOGGER).debug("%s", getattr(error, "details", ""), exc_info=error)
    files = [handler.baseFilename for handler in _handlers(_File) if handler.is_written]
    return "\n".join([told, *(f"Log, with all that is not shown here: {file}" for file in files)])


def sentence(error: object) -> str:
    """An error in one line: of a run's, the first of its reasons."""
    lines = str(error).splitlines()
    text = " ".join(" ".join(lines[:2] if lines[1:] else lines).split())
    return text if len(text) <= _MOST_IN_A_SENTENCE else f"{text[:_MOST_IN_A_SENTENCE]}…"


def _told_briefly(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, Exception):
        sys.__excepthook__(kind, error, None if kind is KeyboardInterrupt else trace)
        return
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    print(f"\n{on_one_screen(error)}", file=sys.__stderr__, flush=True)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" (at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _handlers(kind: type[H]) -> list[H]:
    return [one for one in logging.getLogger(_LOGGER).handlers if isinstance(one, kind)]


def _require_file() -> None:
    if _handlers(_File):
        return
    try:
        configure_logging(work_dir=Settings.load().tlc_work_dir)
    except PipelineError:  # the settings may be what is wrong
        configure_logging()


def _log_to(folder: Path) -> None:
    present = _handlers(_File)
    if [Path(handler.baseFilename).parent for handler in present] == [folder.absolute()]:
        return
    loggers = [logging.getLogger(_LOGGER), logging.getLogger("py.warnings")]
    file = _File(folder)
    for logger in loggers:
        for handler in present:
            logger.removeHandler(handler)
        logger.addHandler(file)
    for handler in present:
        handler.close()


class _Screen(logging.StreamHandler[TextIO]):
    """Writes to the current ``sys.stdout``: Mage redirects it for every block.

    What it redirects to writes every line as INFO, but knows the logger, which knows levels.
    """

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass

    def emit(self, record: logging.LogRecord) -> None:
        of_block, tags = (getattr(sys.stdout, name, None) for name in ("logger", "logging_tags"))
        if of_block is None or tags is None:
            with tqdm.tqdm.external_write_mode(sys.stdout):
                super().emit(record)
            return
        for line in self.format(record).splitlines():
            of_block.log(record.levelno, line, **tags)


class _File(logging.FileHandler):
    """A file of this process, closed to others, made when the first line is written."""

    def __init__(self, folder: Path) -> None:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
        super().__init__(folder / name, encoding="utf-8", delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self._failed = False

    @property
    def is_written(self) -> bool:
        return self.stream is not None

    def emit(self, record: logging.LogRecord) -> None:
        if not self._failed:
            try:
                super().emit(record)
            except (OSError, PipelineError):  # of opening it
                self.handleError(record)

    def _open(self) -> TextIOWrapper:
        folder = Path(self.baseFilename).parent
        require_own(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        for old in sorted(folder.glob("*.log"))[: -_MOST_FILES + 1]:
            old.unlink(missing_ok=True)
        closed = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(closed, "a", encoding=self.encoding)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A run does not fail for its log: a full disk is told by what needs the room."""
        self._failed = True
