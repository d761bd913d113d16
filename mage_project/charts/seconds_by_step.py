"""Seconds that each step took, all months of the run together."""

from nyc_tlc.core.manifest_table import seconds_by_step

steps = seconds_by_step(land=df_1, conform=df_2, load=df_3, publish=df_4)  # noqa: F821 - Mage's
x = list(steps)
y = list(steps.values())
