"""Quarantined rows by reason, all months of the run together."""

from mage_project.chart_values import rows_by_reason

reasons = rows_by_reason(df_1)  # noqa: F821 - Mage gives the upstream block's table
x = list(reasons)
y = list(reasons.values())
