"""The lake: in a folder, on Google Cloud Storage, on S3 and Azure."""
