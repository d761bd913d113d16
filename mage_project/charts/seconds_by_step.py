"""Seconds that each step took, all months of the run together."""

from mage_project.chart_values import seconds_by_step

tables = {"land": df_1, "conform": df_2, "load": df_3, "publish": df_4, "bigquery": df_5}  # noqa: F821
steps = seconds_by_step(**tables)
x = list(steps)
y = list(steps.values())
