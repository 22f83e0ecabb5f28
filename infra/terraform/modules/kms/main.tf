locals {
  ring    = "projects/${var.project}/locations/${var.region}/keyRings/${google_kms_key_ring.ring.name}"
  signing = merge(var.signers, var.approvers)
  # Composed, so that a plan says which key is whose before anything is there.
  keys = { for name, key in google_kms_crypto_key.signing : name => "${local.ring}/cryptoKeys/${key.name}" }
}

resource "google_kms_key_ring" "ring" {
  project  = var.project
  location = var.region
  name     = var.ring
}

# Encrypts what lies here: buckets, database, images, secrets, messages.
resource "google_kms_crypto_key" "data" {
  key_ring        = google_kms_key_ring.ring.id
  name            = "data"
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s" # 90 days
  labels          = var.labels
  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = var.protection_level
  }
  lifecycle {
    prevent_destroy = true
  }
}

# One key for each kind of decision, and one for each person who approves. A key that signs is rotated by a new version
# and an entry in the trust roots (`sluice keys rotate`), never by itself: old decisions must stay verifiable.
resource "google_kms_crypto_key" "signing" {
  #checkov:skip=CKV_GCP_43: Cloud KMS rotates no asymmetric key; `sluice keys rotate` does, together with the trust roots
  for_each = local.signing

  key_ring                   = google_kms_key_ring.ring.id
  name                       = each.key
  purpose                    = "ASYMMETRIC_SIGN"
  destroy_scheduled_duration = "2592000s" # 30 days in which a mistake can be undone
  labels                     = var.labels
  version_template {
    algorithm        = "EC_SIGN_P256_SHA256"
    protection_level = var.protection_level
  }
  lifecycle {
    prevent_destroy = true
  }
}

# Signing needs no more: steps read the public part from the trust roots, never from here.
resource "google_kms_crypto_key_iam_member" "signer" {
  for_each = local.signing

  crypto_key_id = local.keys[each.key]
  role          = "roles/cloudkms.signer"
  member        = each.value
}

# `sluice keys add` fetches the public part of each key into the trust roots.
resource "google_kms_crypto_key_iam_member" "public_key_viewer" {
  for_each = local.signing

  crypto_key_id = local.keys[each.key]
  role          = "roles/cloudkms.publicKeyViewer"
  member        = var.public_key_viewer
}

resource "google_kms_crypto_key_iam_member" "encrypter" {
  for_each = var.encrypters

  crypto_key_id = "${local.ring}/cryptoKeys/${google_kms_crypto_key.data.name}"
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
