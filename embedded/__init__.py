"""Real PostgreSQL, GCS emulator and TLC look-alike on 127.0.0.1, from Python wheels alone."""
