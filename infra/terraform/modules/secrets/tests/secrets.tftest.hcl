# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  key     = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  secrets = { hf-token = { lifecycle = "serviceAccount:sluice-lifecycle@sluice-example-dev.iam.gserviceaccount.com" } }
}

run "example" {
  command = plan

  # Each secret is read by who needs it.
  assert {
    condition     = keys(google_secret_manager_secret_iam_member.reader) == ["hf-token-lifecycle"] && google_secret_manager_secret_iam_member.reader["hf-token-lifecycle"].secret_id == "hf-token"
    error_message = "A secret is read by somebody else."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.reader["hf-token-lifecycle"].role == "roles/secretmanager.secretAccessor"
    error_message = "Who reads a secret may do more."
  }
  assert {
    condition     = output.references == { hf-token = "secret://hf-token" }
    error_message = "The secret is not named as an environment file does."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A name that is none.
    secrets = { "hf token" = {} }
  }
  expect_failures = [var.secrets]
}
