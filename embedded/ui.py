"""`make ui`: Mage's web UI and scheduler on this machine, on the data of the embedded stack."""

from __future__ import annotations

import argparse
import os
import socket
import sys

from embedded.servers.ports import HOST
from embedded.stack import CHECKOUT, Stack, run_environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=6789, help="port of the UI (default 6789)")
    port = parser.parse_args().port
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            sys.exit(
                f"port {port} is taken: another Mage? Open http://localhost:{port}, or choose "
                "another: make ui PORT=6790"
            )
    # Under the name localhost Mage's pages call the API at port 6789, whatever their own is.
    address = f"http://{'localhost' if port == 6789 else HOST}:{port}"
    environment = run_environment(Stack(), CHECKOUT / ".env")
    email = environment.get("DEFAULT_OWNER_EMAIL", "")
    print(f"Mage starts at {address}; log in as {email}")
    print(
        "with the password DEFAULT_OWNER_PASSWORD of .local/stack.env; Ctrl-C ends it.", flush=True
    )
    command = [sys.executable, "-m", "mage_server", "--host", HOST, "--port", str(port)]
    os.chdir(CHECKOUT)
    # This process becomes Mage, so that Ctrl-C reaches it.
    os.execve(sys.executable, command, environment)  # noqa: S606


if __name__ == "__main__":
    main()
