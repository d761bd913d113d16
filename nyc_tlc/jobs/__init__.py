"""One module for each pipeline or target."""
