output "emails" {
  description = "E-mail of each account, by its name: lifecycle, train, release, monitor, serve, submit, mlflow, ci, plan."
  value       = local.emails
}

output "members" {
  description = "Each account as a member of a policy, by its name."
  value       = local.members
}

output "groups" {
  description = "The people's groups as members of a policy: admins, developers."
  value       = local.groups
}
