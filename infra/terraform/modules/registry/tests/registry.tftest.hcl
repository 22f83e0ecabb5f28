# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  key     = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  readers = { lifecycle = "serviceAccount:sluice-lifecycle@sluice-example-dev.iam.gserviceaccount.com" }
  writer  = "serviceAccount:sluice-ci@sluice-example-dev.iam.gserviceaccount.com"
}

run "example" {
  command = plan

  # Images stay what they are.
  assert {
    condition     = google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "A tag can be moved to another image."
  }
  assert {
    condition     = output.address == "europe-west4-docker.pkg.dev/sluice-example-dev/sluice"
    error_message = "The address is not what `make images-push` takes."
  }
  assert {
    condition     = alltrue([for policy in google_artifact_registry_repository.images.cleanup_policies : one(policy.condition).tag_state == "UNTAGGED"])
    error_message = "Images go that somebody gave a name."
  }

  # Ci pushes and others pull.
  assert {
    condition     = google_artifact_registry_repository_iam_member.writer.member == var.writer && alltrue([for one in google_artifact_registry_repository_iam_member.reader : one.role == "roles/artifactregistry.reader"])
    error_message = "Somebody else than CI may push."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A person that pushes.
    writer = "user:anna@example.com"
  }
  expect_failures = [var.writer]
}
