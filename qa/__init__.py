"""What proves the promises: faults, benchmarks, fuzzing."""
