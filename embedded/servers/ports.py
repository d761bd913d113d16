"""Which TCP port of 127.0.0.1 a server may take."""

import socket
from contextlib import suppress

HOST = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """Return ``preferred`` if nothing listens there, else a port the kernel picks.

    The port is only free at the time of asking: callers retry when the server cannot bind.
    """
    # create_server sets SO_REUSEADDR, as servers do: without it the closed connections of the
    # last run (TIME_WAIT) would make a restart change its port for a minute.
    if preferred:
        with suppress(OSError), socket.create_server((HOST, preferred)):
            return preferred
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
