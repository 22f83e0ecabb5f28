locals {
  readers = merge([for secret, readers in var.secrets : { for who, member in readers : "${secret}-${who}" => { secret = secret, member = member } }]...)
}

# Only the place. The value is put in by a person, so that neither Terraform's state nor a plan ever holds it.
resource "google_secret_manager_secret" "secret" {
  for_each = var.secrets

  project   = var.project
  secret_id = each.key
  labels    = var.labels
  replication {
    user_managed {
      replicas {
        location = var.region
        customer_managed_encryption {
          kms_key_name = var.key
        }
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.readers

  project   = var.project
  secret_id = google_secret_manager_secret.secret[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value.member
}
