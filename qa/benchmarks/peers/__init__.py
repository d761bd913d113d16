"""What a user would write with each loader: published Parquet file to plain table, nothing else."""
