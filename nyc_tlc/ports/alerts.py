"""Where alerts go."""

from typing import Protocol

from nyc_tlc.core.runs.alerts import Alert


class Alerts(Protocol):
    """Where somebody reads who is not looking at the runs."""

    def send(self, alert: Alert) -> None:
        """Send a message to every channel that is configured."""
