# The environment as it is, planned without a cloud.
mock_provider "google" {}

variables {
  images = {
    mlflow   = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    proxy    = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    dispatch = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/dispatch@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "dev" {
  command = plan
  assert {
    condition     = output.sluice_environment.name == "dev" && output.sluice_environment.project == "sluice-example-dev"
    error_message = "The environment is called otherwise."
  }
  assert {
    condition     = !contains(keys(module.environment.sluice_environment.keys), "anna")
    error_message = "A person would approve in dev."
  }
  assert {
    condition     = keys(output.deployment.commands) == ["doctor", "helpdesk", "smoke", "watch"]
    error_message = "People could not start a run or a schedule, nor see whether the place is fit."
  }
}
