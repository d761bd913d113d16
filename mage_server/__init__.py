"""Mage's server, closed: what it may start with, and who may call it."""
