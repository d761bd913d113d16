"""Seconds that each month of the marts took (set up in the pipeline's widgets)."""
