locals {
  apis = toset(concat([
    "aiplatform", "artifactregistry", "cloudkms", "cloudresourcemanager", "compute", "iam", "iamcredentials", "logging",
    "monitoring", "pubsub", "run", "secretmanager", "servicenetworking", "serviceusage", "sqladmin", "storage", "sts",
  ], var.budget ? ["billingbudgets"] : []))
}

resource "google_project_service" "api" {
  for_each = local.apis

  project = var.project
  service = "${each.key}.googleapis.com"
  # Other things in the project may rest on an API that we no longer need.
  disable_on_destroy = false
}

# Who signed with which key, and who took on whose identity, is written down: by default Google logs neither.
resource "google_project_iam_audit_config" "reads" {
  for_each = toset(["cloudkms", "iam"])

  project = var.project
  service = google_project_service.api[each.key].service
  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
