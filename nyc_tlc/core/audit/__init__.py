"""What each store says of a month, held against the others, and the report on it."""
