"""BigQuery: trips, marts and views."""
