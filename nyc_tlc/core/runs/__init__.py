"""The tables that travel through a run."""
