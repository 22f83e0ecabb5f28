# Planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  admins  = "sluice-admins@example.com"
}

run "a_state_that_can_be_brought_back" {
  command = plan
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled && google_storage_bucket.state.public_access_prevention == "enforced"
    error_message = "The state can be lost, or made public."
  }
  assert {
    condition     = output.bucket == "sluice-example-dev-sluice-terraform"
    error_message = "The environment looks for its state elsewhere."
  }
}

run "bad_input" {
  command = plan
  variables {
    project = "Sluice"
    region  = "EU"
    admins  = "admins"
  }
  expect_failures = [var.project, var.region, var.admins]
}
