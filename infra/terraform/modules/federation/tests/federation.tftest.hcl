# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project        = "sluice-example-dev"
  project_number = "100000000001"
  repository     = "example/sluice"
  repository_id  = "123456789"
  refs           = ["refs/heads/main", "refs/tags/v*"]
  accounts       = { ci = "sluice-ci@sluice-example-dev.iam.gserviceaccount.com", plan = "sluice-plan@sluice-example-dev.iam.gserviceaccount.com" }
  state_bucket   = "sluice-example-dev-sluice-terraform"
}

run "example" {
  command = plan

  # One repository.
  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.repository == 'example/sluice' && assertion.repository_id == '123456789'"
    error_message = "Workflows of other repositories are believed."
  }

  # Protected refs push and pull requests plan.
  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_mapping["attribute.rights"] == "assertion.event_name == 'pull_request' ? 'plan' : (assertion.event_name in ['push', 'workflow_dispatch'] && assertion.ref_protected == 'true' && (assertion.ref == 'refs/heads/main' || assertion.ref.startsWith('refs/tags/v')) ? 'ci' : 'none')"
    error_message = "Another ref or event has rights."
  }
  assert {
    condition     = google_service_account_iam_member.workflow["ci"].member == "principalSet://iam.googleapis.com/projects/100000000001/locations/global/workloadIdentityPools/sluice-github/attribute.rights/ci"
    error_message = "Other workflows act as ci."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A repository that is none.
    repository = "sluice"
    # A number that is none.
    repository_id = "sluice"
    # Every branch.
    refs = ["*"]
  }
  expect_failures = [var.repository, var.repository_id, var.refs]
}

run "bad_input_2" {
  command = plan
  variables {
    # A repository with a quote.
    repository = "example/sluice' || true"
    # No ref.
    refs = []
  }
  expect_failures = [var.repository, var.refs]
}
