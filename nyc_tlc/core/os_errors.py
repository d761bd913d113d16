"""What the operating system refuses as the pipeline's errors: one table of errnos."""

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError


class OsRefusal(NamedTuple):
    """What we make of an errno: an error, and what the operator does, without its full stop."""

    kind: type[PipelineError]
    next_step: str


_FOLDERS = "TLC_WORK_DIR, or LAKE_URL where the lake is a folder"
_NO_ROOM = OsRefusal(
    RetryableError,
    "Make room for the files of TLC_WORKERS months, or raise the quota (in the containers, /data "
    f"is the volume mage-data), or set {_FOLDERS}, to another disk",
)
_RIGHTS = OsRefusal(
    ConfigurationError,
    f"Let the account that runs this write there, or set {_FOLDERS}, to a folder of its own",
)
_NOT_A_FOLDER = OsRefusal(
    ConfigurationError,
    f"Something else is in the place of a folder: move it away, or set {_FOLDERS}",
)
_MOUNT = OsRefusal(
    ConfigurationError,
    f"The file system cannot do what is needed (locks, renames, large files): set {_FOLDERS}, to a "
    "local disk",
)
_BUSY = OsRefusal(RetryableError, "Another program is in the way: see which, then run it again")
_DISK = OsRefusal(
    RetryableError, "The disk or its connection fails: see the system's log, then check the disk"
)
_NETWORK = OsRefusal(RetryableError, "Check the network, and that the other side runs")
_LIMIT = OsRefusal(
    RetryableError,
    "Raise the limit of open files (ulimit -n, LimitNOFILE), or lower TLC_WORKERS",
)

OS_REFUSALS: Mapping[int, OsRefusal] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST), _NOT_A_FOLDER),
    errno.ENOENT: OsRefusal(
        RetryableError,
        "Something deletes files there (a clean-up of temporary files): keep it away, or set "
        f"{_FOLDERS}, to another folder",
    ),
    errno.ENAMETOOLONG: OsRefusal(
        ConfigurationError, f"The path is too long: set {_FOLDERS}, to a shorter one"
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _LIMIT),
    errno.ENOMEM: OsRefusal(RetryableError, "Give it more memory, or lower TLC_WORKERS"),
    **dict.fromkeys(
        (errno.EXDEV, errno.EFBIG, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP), _MOUNT
    ),
    **dict.fromkeys((errno.EBUSY, errno.ETXTBSY, errno.EAGAIN), _BUSY),
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE), _DISK),
    **dict.fromkeys(
        (
            errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT,
            errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET,
            errno.EADDRNOTAVAIL, errno.ENOTCONN,
        ),
        _NETWORK,
    ),
}  # fmt: skip
_UNKNOWN = OsRefusal(ConfigurationError, "The system's log and its administrator know more")
_OF_RUST = re.compile(r"\(os error (\d+)\)")
"""How polars and other libraries in Rust give an errno."""


@contextmanager
def os_errors_explained(place: str = "the file system") -> Iterator[None]:
    """Raise what the operating system refuses as ours; ``place`` unless the error names a file."""
    try:
        yield
    except OSError as error:
        number = _number(error)
        if number is None:
            raise
        raise _explained(error, number, place) from error


def no_room(error: BaseException | None, place: str) -> PipelineError | None:
    """The error of a disk that is full, explained; None for any other."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _explained(error, error.errno, place)
    return None


def _number(error: OSError) -> int | None:
    """The errno; None of what is none of the system's: TLS, a host's name, an answer of HTTP."""
    if type(error).__module__ != "builtins":
        return None
    in_words = _OF_RUST.search(str(error))
    return int(in_words[1]) if in_words else error.errno


def _explained(error: OSError, number: int, place: str) -> PipelineError:
    refusal = OS_REFUSALS.get(number, _UNKNOWN)
    name = errno.errorcode.get(number, str(number))
    if refusal is _UNKNOWN:
        name += ", not recognised"
    message = (
        f"{error.filename or place} cannot be used: {error.strerror or error} ({name}). "
        f"What was there stays as it was. {refusal.next_step}"
    )
    # To those that are tried again is added how often that was.
    return refusal.kind(message if refusal.kind is RetryableError else f"{message}.")
