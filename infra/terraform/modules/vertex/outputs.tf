output "endpoints" {
  description = "Address of each endpoint, by its name."
  value       = { for name, one in google_vertex_ai_endpoint.endpoint : name => "projects/${var.project}/locations/${var.region}/endpoints/${one.name}" }
}
