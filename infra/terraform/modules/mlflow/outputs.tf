output "address" {
  description = "The server's address, as `tracking` in an environment file."
  # Composed: the other address that Google gives is known only once the server is there.
  value = "https://${google_cloud_run_v2_service.mlflow.name}-${var.project_number}.${var.region}.run.app"
}
