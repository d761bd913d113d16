"""A published row becomes a trip, or goes to quarantine."""
