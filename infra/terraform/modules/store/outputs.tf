output "name" {
  description = "The bucket's name; known once those who need it may use it."
  value       = google_storage_bucket.bucket.name
  depends_on  = [google_storage_bucket_iam_member.access]
}

output "uri" {
  description = "The bucket's address."
  value       = "gs://${google_storage_bucket.bucket.name}"
  depends_on  = [google_storage_bucket_iam_member.access]
}
