# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project    = "sluice-example-dev"
  admins     = "sluice-admins@example.com"
  developers = "sluice-developers@example.com"
}

run "example" {
  command = plan

  # An account a graph.
  assert {
    condition     = toset(keys(output.members)) == toset(["lifecycle", "train", "release", "monitor", "serve", "submit", "mlflow", "ci", "plan"])
    error_message = "The accounts are not those of the design."
  }
  assert {
    condition     = output.emails.train == "sluice-train@sluice-example-dev.iam.gserviceaccount.com"
    error_message = "The e-mail of an account is not known from the plan."
  }
  assert {
    condition     = alltrue([for one in google_service_account.account : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", one.account_id))])
    error_message = "Google refuses an account id: it takes 6 to 30 characters."
  }

  # What trains cannot start what signs.
  assert {
    condition     = toset(keys(google_service_account_iam_member.acts)) == toset(["lifecycle-as-lifecycle", "lifecycle-as-train", "submit-as-lifecycle", "submit-as-release", "submit-as-monitor"])
    error_message = "Somebody acts as somebody that they should not."
  }
  assert {
    condition     = alltrue([for one in google_service_account_iam_member.acts : one.role == "roles/iam.serviceAccountUser"])
    error_message = "Somebody may do more than act as another account."
  }

  # A pull request reads and opens no object.
  assert {
    condition     = alltrue([for one in google_project_iam_member.plan : can(regex("[vV]iewer$|[rR]eader$|[rR]eviewer$|serviceUsageConsumer$", one.role)) && one.role != "roles/viewer"])
    error_message = "A pull request's plan may change something, or open the objects of buckets."
  }
}

run "bad_input" {
  command = plan
  variables {
    # Admins that are no group.
    admins = "group:sluice-admins@example.com"
    # Developers that are no group.
    developers = "ml-team"
  }
  expect_failures = [var.admins, var.developers]
}
