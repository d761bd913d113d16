resource "google_bigquery_dataset" "tlc" {
  dataset_id  = var.dataset
  location    = var.location
  description = "New York TLC trip records, every month proved to the row"

  delete_contents_on_destroy = false

  depends_on = [google_project_service.api]
}
