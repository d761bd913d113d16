"""Send an alert for a run that ended in a way of which it cannot tell itself."""

import logging
from collections.abc import Mapping

from nyc_tlc.core.errors import ConfigurationError, PartitionsFailedError
from nyc_tlc.core.runs.alerts import Alert
from nyc_tlc.jobs.log import configure_logging, sentence
from nyc_tlc.jobs.open import open_job
from nyc_tlc.wiring import connect_alerts

_logger = logging.getLogger(__name__)


def tell_of_failed_block(pipeline: str, error: object) -> None:
    """Say in the block's log why it failed; alert, unless the run has told of its partitions."""
    try:
        _, alerts = open_job(connect_alerts)
    except ConfigurationError:
        configure_logging()
        alerts = None
    # Mage's own entry is its stack trace.
    _logger.error("%s", sentence(error))
    if alerts is not None and not isinstance(error, PartitionsFailedError):
        alerts.send(Alert(f"NYC TLC: {pipeline} failed", (str(error),)))


def tell_of_ended_runs(runs: Mapping[int, str]) -> None:
    """Alert of runs that ended though none of their blocks failed.

    Args:
        runs: The pipeline of each, by the number of the run.
    """
    lines = tuple(
        f"run {number} of {pipeline} was ended without a failing block: by a user, by the memory "
        "of the machine (Mage cancels at 95 %), because the run before it was under way, or "
        "because Mage could not start it; its log says which. Each of its months is loaded, or as "
        "it was. Run it again."
        for number, pipeline in sorted(runs.items())
    )
    _logger.warning("%s", "\n".join(lines))
    try:
        _, alerts = open_job(connect_alerts)
    except ConfigurationError as error:
        _logger.warning("no alert was sent: %s", error)
    else:
        alerts.send(Alert("NYC TLC: runs were ended", lines))
