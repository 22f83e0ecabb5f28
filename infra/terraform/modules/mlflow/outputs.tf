output "address" {
  description = "The server's address, as `tracking` in an environment file."
  value       = google_cloud_run_v2_service.mlflow.uri
}
