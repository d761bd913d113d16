"""The declared shape of each service's trips: one module per service, everything else rendered."""
