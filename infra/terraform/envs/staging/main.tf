# The same as prod in small: what goes on to prod has gone through here, people approve, and keys are kept.
locals {
  # Yours. The projects, people and numbers here are made up.
  project = "sluice-example-staging"
  region  = "europe-west4"
}

module "environment" {
  source = "../../modules/environment"

  name           = "staging"
  project        = local.project
  project_number = "100000000002"
  region         = local.region
  labels         = { team = "search" }

  admins        = "sluice-admins@example.com"
  developers    = "sluice-developers@example.com"
  alert_emails  = ["sluice-oncall@example.com"]
  repository    = "example/sluice"
  repository_id = "123456789"

  # What differs between environments.
  protected        = true
  protection_level = "SOFTWARE"
  database         = { tier = "db-g1-small" }
  approvers        = { anna = "user:anna@example.com", ben = "user:ben@example.com" }
  key_versions     = {} # such as { release = 2 } once a new version signs; 1 where nothing is said
  refs             = ["refs/tags/v*"]

  keep_requests_days = 30

  budget  = { billing_account = "012345-6789AB-CDEF01", amount = 1000 }
  secrets = { hf-token = ["lifecycle"], slack = ["submit"] }
  webhook = "slack"
  images  = var.images
  recipes = fileset("${path.module}/recipes", "*.yaml")
  commands = {
    helpdesk = { command = "run", recipe = "helpdesk.yaml", options = ["--no-follow"] }
    watch    = { command = "schedule", recipe = "helpdesk.yaml", options = ["--every", "0 3 * * *"] }
    doctor   = { command = "doctor", options = [] }
    smoke    = { command = "smoke", options = [] }
  }
}
