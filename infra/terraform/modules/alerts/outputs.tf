output "alerts" {
  description = "What is told of."
  value       = [for alert in local.alerts : alert.title]
}
