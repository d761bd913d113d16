"""Postgres: trips, ledger, marts, views, and what the audit sees of them."""
