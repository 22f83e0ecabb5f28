# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project = "sluice-example-dev"
  budget  = true
}

run "example" {
  command = plan

  # Enables what is needed.
  assert {
    condition     = alltrue([for api in ["aiplatform", "cloudkms", "storage", "billingbudgets"] : contains(output.apis, api)])
    error_message = "An API that the environment needs is not enabled."
  }
  assert {
    condition     = alltrue([for one in google_project_service.api : !one.disable_on_destroy])
    error_message = "Destroying this would disable APIs that others in the project may use."
  }

  # Logs who signed.
  assert {
    condition     = contains([for one in google_project_iam_audit_config.log["cloudkms"].audit_log_config : one.log_type], "DATA_READ")
    error_message = "Cloud KMS would not log who signed: a signature is a DATA_READ there."
  }
}

run "enables_no_budget_that_nobody_wants" {
  command = plan
  variables {
    budget = false
  }
  assert {
    condition     = !contains(output.apis, "billingbudgets")
    error_message = "The API of budgets is enabled without a budget."
  }
}
