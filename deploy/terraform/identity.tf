resource "google_service_account" "pipeline" {
  account_id   = var.service_account
  display_name = "NYC TLC pipeline"

  depends_on = [google_project_service.api]
}

# Reads, writes and deletes objects; cannot change the bucket or who may use it.
resource "google_storage_bucket_iam_member" "objects" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectUser"
  member = google_service_account.pipeline.member
}

# Reads the bucket's region, to compare it with the dataset's before a load.
resource "google_storage_bucket_iam_member" "region" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.bucketViewer"
  member = google_service_account.pipeline.member
}

# Makes and changes tables in this dataset; cannot delete it or make others.
resource "google_bigquery_dataset_iam_member" "tables" {
  dataset_id = google_bigquery_dataset.tlc.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.pipeline.member
}

# Jobs belong to the project: there is no narrower place for this role.
resource "google_project_iam_member" "jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.pipeline.member
}

resource "google_service_account_iam_member" "kubernetes" {
  count = var.kubernetes_service_account == null ? 0 : 1

  service_account_id = google_service_account.pipeline.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.kubernetes_service_account}]"
}

resource "google_iam_workload_identity_pool" "github" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id = "nyc-tlc-github"
  display_name              = "GitHub"

  depends_on = [google_project_service.api]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  # GitHub signs the tokens of all its users alike: only this repository's are let in.
  attribute_condition = "assertion.repository == '${var.github_repository}'"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  count = var.github_repository == null ? 0 : 1

  service_account_id = google_service_account.pipeline.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/attribute.repository/${var.github_repository}"
}
