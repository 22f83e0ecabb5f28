output "address" {
  description = "Where images are pushed to: `make images-push REGISTRY=…`."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}
