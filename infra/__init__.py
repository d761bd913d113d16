"""Google Cloud for the pipeline: Terraform, and what it costs."""
