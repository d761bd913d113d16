resource "google_storage_bucket" "lake" {
  name          = var.bucket
  location      = var.location
  storage_class = "STANDARD"
  force_destroy = false # raw/ is never deleted by us

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  # Versions are the way back. Soft deletion as well would bill each staged object, which a run
  # deletes minutes after it wrote it, for another week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # A run deletes what it staged; this is the net for runs that died.
  lifecycle_rule {
    condition {
      age            = var.staging_days
      matches_prefix = ["staging/service="]
      matches_suffix = ["/trips.parquet", "/quarantine.parquet", "/conformed.json"]
      with_state     = "LIVE"
    }
    action {
      type = "Delete"
    }
  }

  # A deleted staged object is of no use to anybody, and as large as its month.
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 1
      matches_prefix             = ["staging/service="]
      matches_suffix             = ["/trips.parquet", "/quarantine.parquet", "/conformed.json"]
      send_age_if_zero           = false
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      matches_prefix             = ["raw/", "trips/", "quarantine/", "manifests/", "loads/", "reference/", "report/"]
      send_age_if_zero           = false
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.api]
}
