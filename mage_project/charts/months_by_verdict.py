"""Months by what the audit says of them (set up in the pipeline's widgets)."""
