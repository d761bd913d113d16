"""Where the published files come from."""
