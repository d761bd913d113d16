"""Months in each state of their publication (set up in the pipeline's widgets)."""
