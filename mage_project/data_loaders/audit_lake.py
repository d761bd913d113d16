"""Hold every store against the others, month by month; repair if asked to; write the report."""

from mage_project.run_context import run_audit
from nyc_tlc.jobs.audit import LakeAudit

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader, test


@data_loader
def audit_lake(**kwargs):
    return LakeAudit.open().audit(run_audit(kwargs))


@test
def test_every_month_that_was_asked_for_has_a_verdict(table, **kwargs):
    assert len(table) >= len(run_audit(kwargs).partitions)
    assert table["verdict"].str.len().gt(0).all()
