"""Reading published files, Parquet and CSV, safely."""
