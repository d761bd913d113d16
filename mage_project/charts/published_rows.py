"""Rows of each published file of the run."""

partition = df_1["service"] + " " + df_1["month"]
published = df_1["published"]
