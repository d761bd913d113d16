"""The pipeline for New York TLC trip records; knows nothing of Mage."""
