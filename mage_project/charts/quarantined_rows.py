"""Rows that each month of the run set aside."""

partition = df_1["service"] + " " + df_1["month"]
quarantined = df_1["quarantined"]
