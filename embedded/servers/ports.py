"""Which TCP port of 127.0.0.1 a server may take."""

import socket

HOST = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """Return ``preferred`` if nothing listens there, else a port the kernel picks.

    The port is only free at the time of asking: callers retry when the server cannot bind.
    """
    if preferred and _can_bind(preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it the closed connections of the last run (TIME_WAIT) would
        # make a restart change its port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
