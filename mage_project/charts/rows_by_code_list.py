"""Rows of each code list (set up in the pipeline's widgets)."""
