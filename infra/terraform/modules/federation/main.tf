locals {
  subject = "principalSet://iam.googleapis.com/projects/${var.project_number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.github.workload_identity_pool_id}"
  refs    = join(" || ", [for ref in var.refs : endswith(ref, "*") ? "assertion.ref.startsWith('${trimsuffix(ref, "*")}')" : "assertion.ref == '${ref}'"])
  # A workflow of the repository is one of two things, or nothing here. A fork's workflow gets no token at all.
  builds = "assertion.event_name in ['push', 'workflow_dispatch'] && assertion.ref_protected == 'true' && (${local.refs})"
  rights = "assertion.event_name == 'pull_request' ? 'plan' : (${local.builds} ? 'ci' : 'none')"
}

# CI without keys: GitHub says which workflow of which repository asks, and Google believes it for an hour.
resource "google_iam_workload_identity_pool" "github" {
  project                   = var.project
  workload_identity_pool_id = "sluice-github"
  display_name              = "GitHub Actions"
  lifecycle {
    postcondition {
      condition     = startswith(self.name, "projects/${var.project_number}/")
      error_message = "The project's number is another one; write what `gcloud projects describe ${var.project} --format 'value(projectNumber)'` prints."
    }
  }
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125: it wants a condition on assertion.sub; ours is on repository and its number, and the ref decides rights
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"
  # By its number too: a name can be taken by somebody else once it was given up.
  attribute_condition = "assertion.repository == '${var.repository}' && assertion.repository_id == '${var.repository_id}'"
  attribute_mapping = {
    "google.subject"   = "assertion.sub"
    "attribute.rights" = local.rights
    # The environment of GitHub's in which a job runs, which may want an approval first: for whoever lets one apply this.
    "attribute.deploys" = "${local.builds} && has(assertion.environment) ? assertion.environment : 'none'"
  }
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "workflow" {
  for_each = var.accounts

  service_account_id = "projects/${var.project}/serviceAccounts/${each.value}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.subject}/attribute.rights/${each.key}"
}

# A plan compares with what was applied. The state holds no secret: nobody here has a password.
resource "google_storage_bucket_iam_member" "state" {
  bucket = var.state_bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${var.accounts.plan}"
}
