"""`make ui`: Mage's web UI and scheduler on this machine, on the data of the embedded stack."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from embedded.ports import HOST
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
    environment = run_environment(Stack(), CHECKOUT / ".env")
    email = environment.get("DEFAULT_OWNER_EMAIL", "")
    print(f"Mage starts at http://localhost:{port}; log in as {email}")
    print(
        "with the password DEFAULT_OWNER_PASSWORD of .local/stack.env; Ctrl-C ends it.", flush=True
    )
    mage = Path(sys.executable).with_name("mage")
    os.chdir(CHECKOUT)
    os.execve(  # noqa: S606 - this process becomes Mage, so that Ctrl-C reaches it
        mage, [str(mage), "start", "mage_project", "--host", HOST, "--port", str(port)], environment
    )


if __name__ == "__main__":
    main()
