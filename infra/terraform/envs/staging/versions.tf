terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
  # `terraform init -backend-config=bucket=…`, as ../../bootstrap made it.
  backend "gcs" {
    prefix = "staging"
  }
}

provider "google" {
  project = local.project
  region  = local.region
  # A person's own login has no project that the Billing Budget API could count its calls to.
  user_project_override = true
  billing_project       = local.project
}
