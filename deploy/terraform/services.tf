locals {
  apis = concat(
    ["bigquery.googleapis.com", "iam.googleapis.com", "storage.googleapis.com"],
    var.github_repository == null ? [] : ["iamcredentials.googleapis.com", "sts.googleapis.com"],
  )
}

resource "google_project_service" "api" {
  for_each = toset(local.apis)

  service            = each.value
  disable_on_destroy = false # others in the project may need it
}
