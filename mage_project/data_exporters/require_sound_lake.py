"""Fail the run with everything that is wrong in the stores and has not been repaired."""

from nyc_tlc.core.audit.verdicts import require_sound

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def require_sound_lake(table, **_):
    require_sound(table)
