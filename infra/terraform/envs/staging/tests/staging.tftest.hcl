# The environment as it is, planned without a cloud.
mock_provider "google" {}

variables {
  images = {
    mlflow   = "europe-west4-docker.pkg.dev/sluice-example-staging/sluice/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    proxy    = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    dispatch = "europe-west4-docker.pkg.dev/sluice-example-staging/sluice/dispatch@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "staging" {
  command = plan
  assert {
    condition     = output.sluice_environment.name == "staging" && output.sluice_environment.project == "sluice-example-staging"
    error_message = "The environment is called otherwise."
  }
  assert {
    condition     = contains(keys(module.environment.sluice_environment.keys), "anna")
    error_message = "Nobody approves in staging."
  }
  assert {
    condition     = keys(output.deployment.commands) == ["doctor", "helpdesk", "smoke", "watch"]
    error_message = "People could not start a run or a schedule, nor see whether the place is fit."
  }
}
