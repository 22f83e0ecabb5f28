# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project        = "sluice-example-dev"
  project_number = "100000000001"
  region         = "europe-west4"
}

run "example" {
  command = plan

  # Private.
  assert {
    condition     = google_compute_subnetwork.subnet.private_ip_google_access && !google_compute_network.network.auto_create_subnetworks
    error_message = "Google's APIs are reached over public addresses, or there are subnets everywhere."
  }
  assert {
    condition     = output.vertex_network == "projects/100000000001/global/networks/sluice"
    error_message = "Vertex AI does not find the network: it names it by the project's number."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A public range.
    range = "8.8.8.0/24"
  }
  expect_failures = [var.range]
}

run "bad_input_2" {
  command = plan
  variables {
    # A range that is too small.
    range = "10.0.0.0/28"
  }
  expect_failures = [var.range]
}

run "bad_input_3" {
  command = plan
  variables {
    # A range that is none.
    range = "10.0.0.0"
  }
  expect_failures = [var.range]
}
