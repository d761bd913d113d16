"""Quarantined rows by reason, all months of the run together."""

from nyc_tlc.core.runs.run_table import rows_by_reason

reasons = rows_by_reason(df_1)  # noqa: F821 - Mage gives the upstream block's table
x = list(reasons)
y = list(reasons.values())
