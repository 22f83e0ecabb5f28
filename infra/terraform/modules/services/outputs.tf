output "apis" {
  description = "The APIs that are enabled, by their short names; what needs one waits for this output."
  value       = sort(keys(google_project_service.api))
}
