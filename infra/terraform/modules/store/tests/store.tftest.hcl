# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  name    = "sluice-example-dev-sluice-store"
  key     = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  access = {
    train-creates     = { member = "serviceAccount:sluice-train@sluice-example-dev.iam.gserviceaccount.com", role = "objectCreator" }
    train-checkpoints = { member = "serviceAccount:sluice-train@sluice-example-dev.iam.gserviceaccount.com", role = "objectUser", prefix = "store/checkpoints/" }
  }
  delete_after_days = 90
}

run "example" {
  command = plan

  # Keeps what it is given.
  assert {
    condition     = google_storage_bucket.bucket.versioning[0].enabled && google_storage_bucket.bucket.uniform_bucket_level_access
    error_message = "A replaced object is lost, or access lists go round the policy."
  }
  assert {
    condition     = google_storage_bucket.bucket.public_access_prevention == "enforced" && google_storage_bucket.bucket.encryption[0].default_kms_key_name == var.key
    error_message = "The bucket could be made public, or is not encrypted with our key."
  }
  assert {
    condition     = google_storage_bucket.bucket.soft_delete_policy[0].retention_duration_seconds == 1209600 && !google_storage_bucket.bucket.force_destroy
    error_message = "A deleted object cannot be brought back, or a full bucket would go."
  }

  # A prefix is a condition.
  assert {
    condition     = google_storage_bucket_iam_member.access["train-checkpoints"].condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/sluice-example-dev-sluice-store/objects/store/checkpoints/\")"
    error_message = "The prefix does not bound what may be replaced."
  }
  assert {
    condition     = length(google_storage_bucket_iam_member.access["train-creates"].condition) == 0
    error_message = "A right that is for the bucket is bounded."
  }
}

run "objects_go_at_their_age_only_where_it_is_said" {
  command = plan
  variables {
    delete_after_days = null
  }
  assert {
    condition     = length(google_storage_bucket.bucket.lifecycle_rule) == 2
    error_message = "Objects are deleted though nobody said so."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A name that google refuses.
    name = "Sluice_Store"
    # A soft delete that is too short.
    soft_delete_days = 1
    # Versions that are not kept.
    keep_old_versions_days = 0
    # Objects that go at once.
    delete_after_days = 0
    # A role that is too much.
    access = { a = { member = "group:a@example.com", role = "admin" } }
  }
  expect_failures = [var.name, var.soft_delete_days, var.keep_old_versions_days, var.delete_after_days, var.access]
}

run "bad_input_2" {
  command = plan
  variables {
    # A public bucket.
    access = { a = { member = "allUsers", role = "objectViewer" } }
  }
  expect_failures = [var.access]
}
