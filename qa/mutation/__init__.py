"""Would a test notice? Changes nyc_tlc/core in thousands of small ways and runs its tests."""
