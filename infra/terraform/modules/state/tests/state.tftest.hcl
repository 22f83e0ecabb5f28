# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  key     = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  network = "projects/sluice-example-dev/global/networks/sluice"
  tier    = "db-f1-micro"
  users = {
    mlflow = "serviceAccount:sluice-mlflow@sluice-example-dev.iam.gserviceaccount.com"
    anna   = "user:anna@example.com"
  }
}

run "example" {
  command = plan

  # No address and no password.
  assert {
    condition     = !google_sql_database_instance.postgres.settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.postgres.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY"
    error_message = "The database is reached from outside, or without encryption."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.user : startswith(user.type, "CLOUD_IAM_") && user.password == null])
    error_message = "Somebody has a password."
  }
  assert {
    condition     = contains([for flag in google_sql_database_instance.postgres.settings[0].database_flags : "${flag.name}=${flag.value}"], "cloudsql.iam_authentication=on")
    error_message = "Nobody can log in by their account."
  }
  assert {
    condition     = output.users == { mlflow = "sluice-mlflow@sluice-example-dev.iam", anna = "anna@example.com" }
    error_message = "The users are not called as PostgreSQL calls them."
  }

  # Login is to this instance.
  assert {
    condition     = alltrue([for one in google_project_iam_member.login : strcontains(one.condition[0].expression, "projects/sluice-example-dev/instances/sluice")])
    error_message = "Who logs in here may log into other databases of the project."
  }

  # Kept.
  assert {
    condition     = google_sql_database_instance.postgres.deletion_protection && google_sql_database_instance.postgres.settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "The database can be deleted by mistake, or not be brought back."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A tier that is none.
    tier = "n1-standard-1"
    # A disk that is too small.
    disk_gb = 5
    # A user that is a group.
    users = { all = "group:all@example.com" }
  }
  expect_failures = [var.tier, var.disk_gb, var.users]
}
