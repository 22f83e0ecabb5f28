output "bucket" {
  description = "What `terraform init -backend-config=bucket=…` takes in envs/."
  value       = google_storage_bucket.state.name
}
