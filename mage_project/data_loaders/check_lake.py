"""Prove the lake with a write, a read and a delete, and say where it is."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.connections import check_lake as check

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def check_lake(**kwargs):
    require_readable(kwargs)
    answer = check()
    print(answer)
    return {"lake": answer}
