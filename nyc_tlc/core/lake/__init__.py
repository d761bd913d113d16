"""Records and paths of the lake."""
