# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  region  = "europe-west4"
  key     = "projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/data"
  members = {
    lifecycle = "serviceAccount:sluice-lifecycle@sluice-example-dev.iam.gserviceaccount.com"
    release   = "serviceAccount:sluice-release@sluice-example-dev.iam.gserviceaccount.com"
    monitor   = "serviceAccount:sluice-monitor@sluice-example-dev.iam.gserviceaccount.com"
    submit    = "serviceAccount:sluice-submit@sluice-example-dev.iam.gserviceaccount.com"
    serve     = "serviceAccount:sluice-serve@sluice-example-dev.iam.gserviceaccount.com"
  }
  approvers  = { anna = "user:anna@example.com" }
  developers = "group:sluice-developers@example.com"
  endpoints  = { helpdesk = "1001" }
}

run "example" {
  command = plan

  # Only the dispatcher starts graphs.
  assert {
    condition     = [for name, role in google_project_iam_custom_role.role : name if anytrue([for one in ["aiplatform.pipelineJobs.create", "aiplatform.schedules.create", "aiplatform.schedules.update"] : contains(role.permissions, one)])] == ["submit"]
    error_message = "Somebody else than submit starts graphs."
  }

  # Nobody runs code as Google's own account.
  assert {
    condition     = !contains(flatten([for role in google_project_iam_custom_role.role : role.permissions]), "aiplatform.customJobs.create")
    error_message = "A custom job that names no account may act as every account of the project."
  }

  # What trains moves no alias and deploys nothing.
  assert {
    condition     = [for name, role in google_project_iam_custom_role.role : name if contains(role.permissions, "aiplatform.models.update")] == ["approver", "release"]
    error_message = "Somebody moves aliases that should not."
  }
  assert {
    condition     = [for name, role in google_project_iam_custom_role.role : name if contains(role.permissions, "aiplatform.endpoints.deploy")] == ["serve"]
    error_message = "Somebody else than serve deploys."
  }

  # Who develops ends runs, and starts none.
  assert {
    condition     = tolist(google_project_iam_custom_role.role["developer"].permissions) == tolist(["aiplatform.pipelineJobs.cancel"]) && google_project_iam_member.holder["developers"].member == "group:sluice-developers@example.com"
    error_message = "Developers cannot end a run, or may do more than that."
  }

  # Each account has its role and nothing ready made.
  assert {
    condition     = google_project_iam_member.holder["lifecycle"].role == "projects/sluice-example-dev/roles/sluiceLifecycle" && google_project_iam_member.holder["approver-anna"].role == "projects/sluice-example-dev/roles/sluiceApprover"
    error_message = "An account has another's role."
  }
  assert {
    condition     = alltrue([for one in google_project_iam_member.holder : startswith(one.role, "projects/sluice-example-dev/roles/sluice")])
    error_message = "Somebody has a role that is more than what they do."
  }
}

run "nothing_to_serve_and_no_right_to_deploy" {
  command = plan
  variables {
    endpoints = {}
  }
  assert {
    condition     = !contains(keys(google_project_iam_member.holder), "serve")
    error_message = "serve may deploy though there is no endpoint."
  }
}

run "bad_input" {
  command = plan
  variables {
    # An endpoint without a number.
    endpoints = { helpdesk = "helpdesk" }
  }
  expect_failures = [var.endpoints]
}
