# Where work is tried: small, one zone, and nothing that must be kept.
locals {
  # Yours. The projects, people and numbers here are made up.
  project = "sluice-example-dev"
  region  = "europe-west4"
}

module "environment" {
  source = "../../modules/environment"

  name           = "dev"
  project        = local.project
  project_number = "100000000001"
  region         = local.region
  labels         = { team = "search" }

  admins        = "sluice-admins@example.com"
  developers    = "sluice-developers@example.com"
  alert_emails  = ["sluice-oncall@example.com"]
  repository    = "example/sluice"
  repository_id = "123456789"

  # What differs between environments.
  protected        = false
  protection_level = "SOFTWARE"
  database         = { tier = "db-f1-micro" }
  approvers        = {}
  key_versions     = {} # such as { release = 2 } once a new version signs; 1 where nothing is said
  refs             = ["refs/heads/main"]

  keep_requests_days = 30

  budget  = { billing_account = "012345-6789AB-CDEF01", amount = 500 }
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
