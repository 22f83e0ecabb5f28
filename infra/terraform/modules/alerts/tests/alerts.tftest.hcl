# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project        = "sluice-example-dev"
  project_number = "100000000001"
  emails         = ["sluice-oncall@example.com"]
  trust_bucket   = "sluice-example-dev-sluice-trust"
  budget         = { billing_account = "012345-6789AB-CDEF01", amount = 500 }
  budget_reader  = "serviceAccount:sluice-plan@sluice-example-dev.iam.gserviceaccount.com"
}

run "example" {
  command = plan

  # Each alert says what to do.
  assert {
    condition     = length(google_monitoring_alert_policy.alert) == 4 && alltrue([for one in google_monitoring_alert_policy.alert : length(one.documentation[0].content) > 40])
    error_message = "An alert does not say what to do."
  }
  assert {
    condition     = alltrue([for word in ["\"sluice-example-dev-sluice-trust\"", "resourceName=~\"/objects/trust.json$\""] : strcontains(google_monitoring_alert_policy.alert["trust-changed"].conditions[0].condition_matched_log[0].filter, word)])
    error_message = "The alert watches another bucket, or all that a deployment writes beside the trust roots."
  }
  # Who shows a plan reads the budget, and changes none.
  assert {
    condition     = google_project_iam_custom_role.budget[0].permissions == toset(["billing.resourcebudgets.read", "resourcemanager.projects.get"])
    error_message = "Whoever reads the budget may do more."
  }
}

run "no_budget_where_none_is_wanted" {
  command = plan
  variables {
    budget = null
  }
  assert {
    condition     = length(google_billing_budget.month) == 0 && length(google_project_iam_member.budget) == 0
    error_message = "There is a budget that nobody wanted."
  }
}

run "bad_input" {
  command = plan
  variables {
    # Nobody is told.
    emails = []
    # A billing account that is none.
    budget = { billing_account = "mine", amount = 500 }
  }
  expect_failures = [var.emails, var.budget]
}

run "bad_input_2" {
  command = plan
  variables {
    # An address that is none.
    emails = ["oncall"]
    # A budget of nothing.
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 0 }
  }
  expect_failures = [var.emails, var.budget]
}
