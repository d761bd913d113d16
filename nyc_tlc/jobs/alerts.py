"""Send an alert for a block that failed, where the run cannot send it itself."""

import logging

from nyc_tlc.core.errors import ConfigurationError, PartitionsFailedError
from nyc_tlc.core.runs.alerts import Alert
from nyc_tlc.jobs.log import configure_logging, sentence
from nyc_tlc.jobs.open import open_job
from nyc_tlc.wiring import connect_alerts


def tell_of_failed_block(pipeline: str, error: object) -> None:
    """Say in the block's log why it failed; alert, unless the run has told of its partitions.

    Args:
        pipeline: The block's pipeline.
        error: What the block raised, or its text.
    """
    try:
        _, alerts = open_job(connect_alerts)
    except ConfigurationError:
        configure_logging()
        alerts = None
    # Mage's own entry is its stack trace.
    logging.getLogger(__name__).error("%s", sentence(error))
    if alerts is not None and not isinstance(error, PartitionsFailedError):
        alerts.send(Alert(f"NYC TLC: {pipeline} failed", (str(error),)))
