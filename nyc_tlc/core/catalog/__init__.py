"""Which months there are, and what TLC publishes."""
