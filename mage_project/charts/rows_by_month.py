"""Rows of the published files, by month (set up in the pipeline's widgets)."""
