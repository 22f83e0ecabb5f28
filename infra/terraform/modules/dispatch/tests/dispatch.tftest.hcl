# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project       = "sluice-example-dev"
  region        = "europe-west4"
  key           = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  account       = "sluice-submit@sluice-example-dev.iam.gserviceaccount.com"
  image         = "europe-west4-docker.pkg.dev/sluice-example-dev/sluice/dispatch@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  config_bucket = "sluice-example-dev-sluice-trust"
  recipes       = ["helpdesk.yaml"]
  commands      = { watch = { command = "schedule", recipe = "helpdesk.yaml", options = ["--every", "0 3 * * *"] } }
  executor      = "group:sluice-developers@example.com"
  deployer      = "serviceAccount:sluice-ci@sluice-example-dev.iam.gserviceaccount.com"
  store         = { bucket = "sluice-example-dev-sluice-store", prefix = "store" }
  storage_agent = "serviceAccount:service-100000000001@gs-project-accounts.iam.gserviceaccount.com"
}

run "example" {
  command = plan

  # Only messages come in.
  assert {
    condition     = google_cloud_run_v2_service.dispatch.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && google_cloud_run_v2_service_iam_member.push.member == "serviceAccount:sluice-push@sluice-example-dev.iam.gserviceaccount.com"
    error_message = "Somebody else than Pub/Sub reaches the dispatcher."
  }
  assert {
    condition     = google_storage_notification.requests.object_name_prefix == "store/requests/" && google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email == "sluice-push@sluice-example-dev.iam.gserviceaccount.com"
    error_message = "Messages are about something else than run requests, or come as somebody else."
  }

  # Looks also when nobody asks.
  assert {
    condition     = !google_cloud_run_v2_service.dispatch.template[0].containers[0].resources[0].cpu_idle && google_cloud_run_v2_service.dispatch.template[0].scaling[0].min_instance_count == 1
    error_message = "Between two messages the dispatcher has no CPU, so it does not look through the store."
  }
  assert {
    condition     = google_cloud_run_v2_service.dispatch.template[0].containers[0].args == tolist(["dispatch", "/config/dispatch/helpdesk.yaml", "--env", "/config/dispatch/environment.yaml", "--host", "0.0.0.0", "--port", "8080"])
    error_message = "The dispatcher is started with other words."
  }

  # People start commands and say nothing else.
  assert {
    condition     = google_cloud_run_v2_job.command["watch"].template[0].template[0].containers[0].args == tolist(["schedule", "/config/dispatch/helpdesk.yaml", "--every", "0 3 * * *", "--env", "/config/dispatch/environment.yaml"])
    error_message = "The command is another one."
  }
  assert {
    condition     = google_cloud_run_v2_job_iam_member.executor["watch"].role == "roles/run.jobsExecutor"
    error_message = "Who starts a command may give it other words, and so act as submit."
  }
}

run "a_command_about_no_recipe" {
  command = plan
  variables {
    commands = { smoke = { command = "smoke" } }
  }
  assert {
    condition     = google_cloud_run_v2_job.command["smoke"].template[0].template[0].containers[0].args == tolist(["smoke", "--env", "/config/dispatch/environment.yaml"])
    error_message = "The command is another one."
  }
}

run "bad_input" {
  command = plan
  variables {
    # An image by tag.
    image = "registry/release:v1"
    # A command that signs.
    commands = { back = { command = "rollback" } }
  }
  expect_failures = [var.image, var.commands]
}

run "bad_input_2" {
  command = plan
  variables {
    # A dispatcher of nothing; the commands are about its recipes.
    recipes = []
  }
  expect_failures = [var.recipes]
}

run "bad_input_3" {
  command = plan
  variables {
    # A recipe in a folder.
    recipes = ["../trust.json"]
  }
  expect_failures = [var.recipes]
}

run "bad_input_4" {
  command = plan
  variables {
    # A command for a recipe that is not there.
    commands = { other = { command = "run", recipe = "other.yaml" } }
  }
  expect_failures = [var.commands]
}

run "bad_input_6" {
  command = plan
  variables {
    # A recipe for a command that takes none.
    commands = { fit = { command = "doctor", recipe = "helpdesk.yaml" } }
  }
  expect_failures = [var.commands]
}

run "bad_input_5" {
  command = plan
  variables {
    # A command for another environment.
    commands = { other = { command = "run", recipe = "helpdesk.yaml", options = ["--env=other"] } }
  }
  expect_failures = [var.commands]
}
