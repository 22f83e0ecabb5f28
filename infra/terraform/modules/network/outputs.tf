output "network" {
  description = "The network; known once Google's services are reachable in it."
  value       = "projects/${var.project}/global/networks/${google_compute_network.network.name}"
  depends_on  = [google_service_networking_connection.services]
}

output "subnet" {
  description = "The subnet in which Cloud Run has its addresses."
  value       = "projects/${var.project}/regions/${var.region}/subnetworks/${google_compute_subnetwork.subnet.name}"
}

output "vertex_network" {
  description = "The network as Vertex AI names it."
  value       = "projects/${var.project_number}/global/networks/${google_compute_network.network.name}"
  depends_on  = [google_service_networking_connection.services]
}
