output "address" {
  description = "The dispatcher's address; only Pub/Sub reaches it."
  value       = google_cloud_run_v2_service.dispatch.uri
}

output "commands" {
  description = "How a person starts each command."
  value       = { for name, job in google_cloud_run_v2_job.command : name => "gcloud run jobs execute ${job.name} --region ${var.region} --project ${var.project} --wait" }
}
