"""Prove the Postgres connection with SELECT 1, and say what it is connected to."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.connections import check_postgres as check

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def check_postgres(**kwargs):
    require_readable(kwargs)
    answer = check()
    print(answer)
    return {"postgres": answer}
