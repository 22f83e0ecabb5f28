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

# Who signed with which key, who took on whose identity, and who wrote which object is written down: by default Google
# logs none of it.
resource "google_project_iam_audit_config" "log" {
  for_each = {
    cloudkms = ["DATA_READ", "DATA_WRITE"]
    iam      = ["DATA_READ", "DATA_WRITE"]
    storage  = ["DATA_WRITE"] # reads are too many to be looked at
  }

  project = var.project
  service = google_project_service.api[each.key].service
  dynamic "audit_log_config" {
    for_each = each.value
    content {
      log_type = audit_log_config.value
    }
  }
}
