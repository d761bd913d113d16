"""Trials of the promises: kills, faults and crowds, and what the stores show after each."""
