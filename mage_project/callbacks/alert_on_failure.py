"""Send an alert when a block fails under the scheduler; `mage run` tells it by its exit status."""

from nyc_tlc.jobs.alerts import tell_of_failed_block

if "callback" not in globals():
    from mage_ai.data_preparation.decorators import callback


@callback("failure")
def alert_on_failure(*_, pipeline_uuid, __error, **__):
    tell_of_failed_block(pipeline_uuid, __error)
