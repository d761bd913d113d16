"""What containers need besides the pipeline: images, database roles, Kubernetes manifests."""
