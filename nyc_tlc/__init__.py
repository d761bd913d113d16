"""The pipeline for New York TLC trip records; knows nothing of Mage."""

__version__ = "1.0.0"
