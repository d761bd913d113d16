"""A GCS emulator over plain files, as a background server with one bucket.

Objects and their metadata (generation, crc32c, bucket list) survive a restart and a kill. It serves
one request at a time and ignores every precondition (``ifGenerationMatch`` and the like).
"""

import argparse
import errno
import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from embedded.servers.daemon import HttpDaemon
from embedded.servers.ports import HOST

DEFAULT_BUCKET = "nyc-tlc-lake"
_FULL = HTTPStatus.UNPROCESSABLE_ENTITY
"""Not 507, which clients take for a server that is in trouble for a moment."""
_MAKE_ROOM = (
    "make room on the disk of the emulator (in the containers, the volume gcs-data: `docker system "
    "df`), then run it again"
)


class GcsServer(HttpDaemon):
    """The emulator of a state directory; its objects are files under ``objects_dir``."""

    def __init__(self, state_dir: Path, bucket: str = DEFAULT_BUCKET) -> None:
        data_dir = state_dir.absolute() / "gcs"
        words = ("--data-dir", data_dir, "--bucket", bucket)
        super().__init__("gcs", state_dir, "embedded.servers.gcs", *words)
        self.bucket = bucket
        self.objects_dir = data_dir / ".cloudstorage"


def _write_whole(store: Any, path: str, content: bytes) -> None:  # noqa: ANN401 - it has no types
    # The emulator's own writes in place: killed then, it would find half an index, and not start.
    target = store._disk_path(path)  # noqa: SLF001 - there is no other way in
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(target)


def _said_when_full(handle: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    """Answer where the emulator hangs up, which its clients take for a line that broke."""

    def answering(router: Any, method: str) -> None:  # noqa: ANN401 - it has no types
        try:
            handle(router, method)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            said = {"error": {"code": _FULL, "message": f"{error.strerror}: {_MAKE_ROOM}"}}
            body, request = json.dumps(said).encode(), router._request_handler  # noqa: SLF001
            request.send_response(_FULL)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

    return answering


def _end_at_once(failure: threading.ExceptHookArgs) -> None:
    # The emulator waits for ever for its thread when the port is taken.
    sys.stderr.write(f"emulator thread ended: {failure.exc_value!r}\n")
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    # Read by the emulator when imported; one set in the shell would hide the objects.
    os.environ["STORAGE_DIR"] = ".cloudstorage"
    emulator = importlib.import_module("gcp_storage_emulator.server")
    storage: Any = importlib.import_module("gcp_storage_emulator.storage")
    storage._FileStore.write_bytes = _write_whole  # noqa: SLF001
    emulator.Router.handle = _said_when_full(emulator.Router.handle)

    # Below this it complains about every download.
    logging.basicConfig(level=logging.ERROR)
    # The emulator rewrites its index in place: ended in the middle of a request it could leave
    # half an index. Its own answer to Ctrl-C finishes the request first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.excepthook = _end_at_once
    emulator.create_server(
        arguments.host,
        arguments.port,
        in_memory=False,
        default_bucket=arguments.bucket,
        data_dir=arguments.data_dir,
    ).run()


if __name__ == "__main__":
    main()
