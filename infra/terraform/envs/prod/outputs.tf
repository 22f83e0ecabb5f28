output "sluice_environment" {
  description = "`sluice env from-terraform` writes the environment file from this."
  value       = module.environment.sluice_environment
}

output "deployment" {
  description = "What people and CI need besides: where images go, where the dispatcher's files go, how commands are started, accounts."
  value = {
    registry = module.environment.registry
    config   = module.environment.config
    commands = module.environment.commands
    ci       = module.environment.ci
    accounts = module.environment.accounts
    images   = module.environment.images
    sources  = module.environment.sources
  }
}
