variable "project" {
  description = "Id of the Google Cloud project; it must exist and have a billing account."
  type        = string
}

variable "bucket" {
  description = "Name of the lake's bucket. Bucket names are unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "3 to 63 lower-case letters, digits, dots, dashes and underscores."
  }
}

variable "location" {
  description = "Region of bucket and dataset alike: BigQuery loads from its own region only."
  type        = string
  default     = "us-central1"
}

variable "dataset" {
  description = "Name of the BigQuery dataset."
  type        = string
  default     = "nyc_tlc"

  validation {
    condition     = can(regex("^[A-Za-z0-9_]{1,1024}$", var.dataset))
    error_message = "Letters, digits and underscores."
  }
}

variable "service_account" {
  description = "Name of the account as which the pipeline runs."
  type        = string
  default     = "nyc-tlc-pipeline"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.service_account))
    error_message = "6 to 30 lower-case letters, digits and dashes, a letter first."
  }
}

variable "staging_days" {
  description = "Days after which a staged object is deleted that its run has left behind."
  type        = number
  default     = 7
}

variable "noncurrent_days" {
  description = "Days for which a replaced or deleted object can be brought back."
  type        = number
  default     = 30
}

variable "kubernetes_service_account" {
  description = "namespace/name of a GKE service account that may run as the pipeline; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.kubernetes_service_account == null || can(regex("^[^/]+/[^/]+$", var.kubernetes_service_account))
    error_message = "namespace/name."
  }
}

variable "github_repository" {
  description = "owner/name of a GitHub repository whose workflows may run as the pipeline; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "owner/name."
  }
}
