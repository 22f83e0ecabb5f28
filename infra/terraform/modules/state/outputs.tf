output "connection" {
  description = "The instance as the Cloud SQL Auth Proxy names it."
  value       = "${var.project}:${var.region}:${google_sql_database_instance.postgres.name}"
}

output "users" {
  description = "PostgreSQL's name of each user."
  value       = local.names
}
