"""Rows that the stores hold in quarantine, by month (set up in the pipeline's widgets)."""
