# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project        = "sluice-example-dev"
  project_number = "100000000001"
  region         = "europe-west4"
  key            = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  account        = "sluice-mlflow@sluice-example-dev.iam.gserviceaccount.com"
  network        = "projects/sluice-example-dev/global/networks/sluice"
  subnet         = "projects/sluice-example-dev/regions/europe-west4/subnetworks/sluice-europe-west4"
  database       = { connection = "sluice-example-dev:europe-west4:sluice", user = "sluice-mlflow@sluice-example-dev.iam" }
  artifacts      = "gs://sluice-example-dev-sluice-store/mlflow"
  invokers       = { lifecycle = "serviceAccount:sluice-lifecycle@sluice-example-dev.iam.gserviceaccount.com" }
  deployer       = "serviceAccount:sluice-ci@sluice-example-dev.iam.gserviceaccount.com"
  images = {
    mlflow = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    proxy  = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "example" {
  command = plan

  # Not public.
  assert {
    condition     = tomap({ for name, one in google_cloud_run_v2_service_iam_member.invoker : name => one.member }) == var.invokers
    error_message = "Somebody else may ask the server."
  }

  # Its address is known before it is there.
  assert {
    condition     = output.address == "https://sluice-mlflow-100000000001.europe-west4.run.app"
    error_message = "An environment file would name another address."
  }

  # Logs in without a password.
  assert {
    condition     = contains(google_cloud_run_v2_service.mlflow.template[0].containers[0].args, "postgresql+psycopg://sluice-mlflow%40sluice-example-dev.iam@127.0.0.1:5432/mlflow")
    error_message = "The server does not reach the database through the proxy."
  }
  assert {
    condition     = contains(google_cloud_run_v2_service.mlflow.template[0].containers[1].args, "--auto-iam-authn")
    error_message = "The proxy does not log in by the account."
  }
}

run "bad_input" {
  command = plan
  variables {
    # An image by tag.
    images = { mlflow = "registry/mlflow:latest", proxy = "registry/proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
    # Open to the world.
    invokers = { all = "allUsers" }
    # Artifacts on a disk.
    artifacts = "/mlflow"
  }
  expect_failures = [var.images, var.invokers, var.artifacts]
}
