"""Servers that run from Python wheels."""
