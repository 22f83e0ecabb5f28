# The example of the README, planned without a cloud.
mock_provider "google" {}

variables {
  project           = "sluice-example-dev"
  region            = "europe-west4"
  signers           = { release = "serviceAccount:sluice-release@sluice-example-dev.iam.gserviceaccount.com", monitor = "serviceAccount:sluice-monitor@sluice-example-dev.iam.gserviceaccount.com" }
  approvers         = { anna = "user:anna@example.com" }
  public_key_viewer = "group:sluice-admins@example.com"
  encrypters        = { storage = "serviceAccount:service-100000000001@gs-project-accounts.iam.gserviceaccount.com" }
}

run "example" {
  command = plan

  # A key a signer.
  assert {
    condition     = tomap({ for name, one in google_kms_crypto_key_iam_member.signer : name => one.member }) == merge(var.signers, var.approvers)
    error_message = "A key is open to somebody else than the one whose it is."
  }
  assert {
    condition     = alltrue([for one in google_kms_crypto_key_iam_member.signer : one.role == "roles/cloudkms.signer"])
    error_message = "Who signs may do more with the key than sign."
  }
  assert {
    condition     = alltrue([for one in google_kms_crypto_key.signing : one.purpose == "ASYMMETRIC_SIGN" && one.version_template[0].algorithm == "EC_SIGN_P256_SHA256"])
    error_message = "A key is not of the kind that decisions are signed with."
  }
  assert {
    condition     = output.signing_keys.anna == "gcpkms:projects/sluice-example-dev/locations/europe-west4/keyRings/sluice/cryptoKeys/anna/cryptoKeyVersions/1"
    error_message = "The address of a key is not as an environment file names it."
  }

  # The data key is rotated and signs nothing.
  assert {
    condition     = google_kms_crypto_key.data.rotation_period == "7776000s" && google_kms_crypto_key.data.purpose == "ENCRYPT_DECRYPT"
    error_message = "The data key is not rotated, or does more than encrypt."
  }
}

run "after_a_rotation" {
  command = plan
  variables {
    versions = { release = 2 }
  }
  assert {
    condition     = endswith(output.signing_keys.release, "/cryptoKeys/release/cryptoKeyVersions/2") && endswith(output.signing_keys.monitor, "/cryptoKeys/monitor/cryptoKeyVersions/1")
    error_message = "The environment file would name the version that signs no more, or another key's."
  }
}

run "bad_input" {
  command = plan
  variables {
    # A level that is none.
    protection_level = "EXTERNAL"
    # A group that approves.
    approvers = { anna = "group:everybody@example.com" }
    # A person that signs as a graph.
    signers = { release = "user:anna@example.com" }
  }
  expect_failures = [var.protection_level, var.approvers, var.signers]
}

run "bad_input_2" {
  command = plan
  variables {
    # An approver with the name of a key.
    approvers = { release = "user:anna@example.com" }
  }
  expect_failures = [var.approvers]
}

run "bad_input_3" {
  command = plan
  variables {
    # A version that Google never gives.
    versions = { release = 0 }
  }
  expect_failures = [var.versions]
}

run "bad_input_4" {
  command = plan
  variables {
    # A key that signs nothing.
    versions = { data = 2 }
  }
  expect_failures = [var.versions]
}
