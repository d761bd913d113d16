"""Rows held, by month (set up in the pipeline's widgets)."""
