"""What Google's libraries raise where an answer is JSON, but not of the form of Google's."""

NOT_GOOGLES = (AttributeError, KeyError, TypeError, ValueError)
"""It is a proxy's then, whose ``{"error": null}`` they take for one of Google's errors."""
