"""Rows set aside, by month (set up in the pipeline's widgets)."""
