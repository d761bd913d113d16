"""What the benchmark runs in processes of their own: input, and the pipeline's own work."""
