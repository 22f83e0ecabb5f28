output "data_key" {
  description = "The key that encrypts what lies here; known once Google's accounts may use it."
  value       = "${local.ring}/cryptoKeys/${google_kms_crypto_key.data.name}"
  depends_on  = [google_kms_crypto_key_iam_member.encrypter]
}

output "signing_keys" {
  description = "Address of each signing key's version that signs now, as an environment file names it."
  value       = { for name, key in local.keys : name => "gcpkms:${key}/cryptoKeyVersions/${lookup(var.versions, name, 1)}" }
}
