# The environment as it is, planned without a cloud.
mock_provider "google" {}

variables {
  images = {
    mlflow   = "europe-west4-docker.pkg.dev/sluice-example-prod/sluice/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    proxy    = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    dispatch = "europe-west4-docker.pkg.dev/sluice-example-prod/sluice/dispatch@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "prod" {
  command = plan
  assert {
    condition     = output.sluice_environment.name == "prod" && output.sluice_environment.project == "sluice-example-prod"
    error_message = "The environment is called otherwise."
  }
  assert {
    condition     = contains(keys(module.environment.sluice_environment.keys), "anna")
    error_message = "Nobody approves in prod."
  }
  assert {
    condition     = keys(output.deployment.commands) == ["doctor", "helpdesk", "smoke", "watch"]
    error_message = "People could not start a run or a schedule, nor see whether the place is fit."
  }
}
