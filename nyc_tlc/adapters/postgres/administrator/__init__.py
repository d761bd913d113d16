"""What an administrator has added to our tables and beside them: kept, or named and left alone."""
