locals {
  objects = "projects/_/buckets/${google_storage_bucket.bucket.name}/objects"
}

resource "google_storage_bucket" "bucket" {
  #checkov:skip=CKV_GCP_62: who read and wrote is in Cloud Audit Logs; access logs in a bucket would say the same less surely
  project                     = var.project
  name                        = var.name
  location                    = var.region
  labels                      = var.labels
  force_destroy               = !var.protected
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }
  encryption {
    default_kms_key_name = var.key
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.keep_old_versions_days
      with_state                 = "ARCHIVED"
    }
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }
  dynamic "lifecycle_rule" {
    for_each = var.delete_after_days[*]
    content {
      action {
        type = "Delete"
      }
      condition {
        age        = lifecycle_rule.value
        with_state = "LIVE"
      }
    }
  }
}

resource "google_storage_bucket_iam_member" "access" {
  for_each = var.access

  bucket = google_storage_bucket.bucket.name
  role   = "roles/storage.${each.value.role}"
  member = each.value.member
  dynamic "condition" {
    for_each = each.value.prefix[*]
    content {
      title       = "under-${trim(replace(condition.value, "/[^a-z0-9]+/", "-"), "-")}"
      description = "Only objects whose names begin with ${condition.value}"
      expression  = "resource.name.startsWith(\"${local.objects}/${condition.value}\")"
    }
  }
}
