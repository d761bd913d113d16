output "env" {
  description = "The lines for .env: terraform output -raw env >> ../.env"
  value       = <<-EOT
    LAKE_URL=gs://${google_storage_bucket.lake.name}
    BIGQUERY_PROJECT=${var.project}
    BIGQUERY_DATASET=${google_bigquery_dataset.tlc.dataset_id}
    BIGQUERY_LOCATION=${google_bigquery_dataset.tlc.location}
  EOT
}

output "service_account" {
  description = "The account as which the pipeline runs."
  value       = google_service_account.pipeline.email
}

output "github_workload_identity_provider" {
  description = "For google-github-actions/auth; null without github_repository."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}
