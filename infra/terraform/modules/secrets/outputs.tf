output "references" {
  description = "Each secret as an environment file names it."
  value       = { for name, one in google_secret_manager_secret.secret : name => "secret://${one.secret_id}" }
}
