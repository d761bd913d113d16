"""Trips in the marts, by month (set up in the pipeline's widgets)."""
