"""Send an alert for a block that failed, where the run cannot send it itself."""

from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.runs.alerts import Alert
from nyc_tlc.jobs.open import open_job
from nyc_tlc.wiring import connect_alerts


def tell_of_failed_block(pipeline: str, error: object) -> None:
    """Send an alert, unless the run has reported which partitions failed.

    Args:
        pipeline: The block's pipeline.
        error: What the block raised, or its text.

    Raises:
        ConfigurationError: settings are missing or wrong; lists all of them.
    """
    if isinstance(error, PartitionsFailedError):
        return
    alert = Alert(f"NYC TLC: {pipeline} failed", (str(error),))
    _, alerts = open_job(connect_alerts)
    alerts.send(alert)
