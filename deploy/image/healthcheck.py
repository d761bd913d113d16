#!/usr/local/bin/python3
"""Ask the Mage of this container how it is; exit status 0 when it serves what it should."""

import http.client
import json
import os
import sys


def main() -> int:
    """Ask once; a scheduler that died counts as ill where this container should have one."""
    connection = http.client.HTTPConnection("127.0.0.1", 6789, timeout=8)
    try:
        connection.request("GET", "/api/status")
        answer = connection.getresponse()
        status = json.loads(answer.read())["statuses"][0]
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        sys.stderr.write(f"no answer ({type(error).__name__})\n")
        return 1
    wanted = "stopped" if os.environ.get("INSTANCE_TYPE") == "web_server" else "running"
    sys.stdout.write(f"scheduler {status['scheduler_status']}\n")
    return 0 if status["scheduler_status"] == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
