# The bucket that holds Terraform's state of one environment; made once, by hand, before anything else. Its own state is
# small and says nothing that a look at the bucket does not, so it stays on the machine of whoever made it,
# in a workspace for each project.
terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62: who read and wrote is in Cloud Audit Logs
  project                     = var.project
  name                        = "${var.project}-sluice-terraform"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 7776000 # 90 days
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions         = 20
      days_since_noncurrent_time = 90
      with_state                 = "ARCHIVED"
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "admins" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = "group:${var.admins}"
}
