"""Rows that the stores hold, by month (set up in the pipeline's widgets)."""
