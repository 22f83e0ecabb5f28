# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  name           = "dev"
  project        = "sluice-example-dev"
  project_number = "100000000001"
  region         = "europe-west4"
  labels         = { team = "search" }

  admins        = "sluice-admins@example.com"
  developers    = "sluice-developers@example.com"
  approvers     = { anna = "user:anna@example.com" }
  alert_emails  = ["sluice-oncall@example.com"]
  repository    = "example/sluice"
  repository_id = "123456789"

  database = { tier = "db-f1-micro" }
  secrets  = { hf-token = ["lifecycle"], slack = ["submit"] }
  webhook  = "slack"
  recipes  = ["helpdesk.yaml"]
  images = {
    mlflow   = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    proxy    = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/proxy@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    dispatch = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/dispatch@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "example" {
  command = plan

  # What trains writes no trust root, no state and no request log.
  assert {
    condition     = alltrue(flatten([for bucket in ["trust", "state", "requests"] : [for one in values(local.access[bucket]) : !(strcontains(one.member, "sluice-train@") || strcontains(one.member, "sluice-lifecycle@")) || one.role == "objectViewer"]]))
    error_message = "What trains can write what it must not."
  }
  # No account writes the trust roots.
  assert {
    condition     = [for name, one in local.access.trust : name if one.role != "objectViewer"] == ["admins-write"]
    error_message = "Somebody else than the admins writes the trust roots."
  }
  # What should serve is written by who releases and who rolls back.
  assert {
    condition     = [for name, one in local.access.state : name if one.role != "objectViewer" && try(startswith("endpoints/generations.jsonl", one.prefix), true)] == ["approver-anna-decides", "release-decides"]
    error_message = "Somebody else writes what should serve."
  }
  # A step replaces nothing but checkpoints.
  assert {
    condition     = [for name, one in local.access.store : name if one.role == "objectUser"] == ["admins-tidy", "lifecycle-checkpoints", "submit-probes", "submit-schedules", "train-checkpoints"]
    error_message = "Somebody can replace an artifact."
  }
  # A graph cannot change what another's steps hand on.
  assert {
    condition     = local.access.pipelines["lifecycle-runs"].prefix == "pipelines/100000000001/lifecycle-" && !contains([for one in values(local.access.pipelines) : one.role], "objectCreator")
    error_message = "What trains can change what the release's steps hand on."
  }
  # The environment file needs nothing that a person copies by hand.
  assert {
    condition     = output.sluice_environment.accounts.release == "sluice-release@sluice-example-dev.iam.gserviceaccount.com" && output.sluice_environment.trust == "gs://sluice-example-dev-sluice-trust/trust.json"
    error_message = "The environment file would name something else."
  }
}

run "before_there_are_images" {
  command = plan
  variables {
    images = null
  }
  assert {
    condition     = output.commands == {} && output.sluice_environment.tracking == "" && !output.sluice_environment.dispatcher
    error_message = "There are services without images, or commands wait for a dispatcher that is not there."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A name that is no word.
    name = "Dev 1"
    # A number that is an id.
    project_number = "sluice-example-dev"
    # A zone.
    region = "europe-west4-a"
    # A label in capitals.
    labels = { Team = "search" }
    # A reader that is none.
    secrets = { hf-token = ["everybody"] }
    # A name that Vertex AI refuses.
    experiment = "My runs"
    # Kept for ever.
    keep_requests_days = 36500
  }
  expect_failures = [
    var.name, var.project_number, var.region, var.labels, var.secrets, var.experiment,
    var.keep_requests_days,
  ]
}

run "bad_input_2" {
  command = plan
  variables {
    # A project with Google's name.
    project = "my-google-project"
    # A secret that submit does not read.
    webhook = "hf-token"
  }
  expect_failures = [var.project, var.webhook]
}
