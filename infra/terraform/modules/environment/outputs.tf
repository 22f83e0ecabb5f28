output "sluice_environment" {
  description = "What an environment file of Sluice says, but for the images: `sluice env from-terraform` writes it."
  value = {
    version         = 1
    name            = var.name
    backend         = "vertex"
    project         = var.project
    region          = var.region
    service_account = module.identities.emails.lifecycle
    accounts = {
      lifecycle  = module.identities.emails.lifecycle
      release    = module.identities.emails.release
      monitoring = module.identities.emails.monitor
    }
    pipeline_root  = "${module.store["pipelines"].uri}/pipelines"
    store          = "${module.store["store"].uri}/${local.prefix}"
    requests       = "${module.store["requests"].uri}/log"
    endpoints      = "${module.store["state"].uri}/endpoints"
    trust          = "${module.store["trust"].uri}/trust.json"
    keys           = module.kms.signing_keys
    registry       = "vertex://${var.project}/${var.region}"
    tracking       = one(module.mlflow[*].address) == null ? "" : one(module.mlflow[*].address)
    network        = var.steps_in_network ? module.network.vertex_network : ""
    encryption_key = module.kms.data_key
    experiment     = var.experiment
    labels         = local.labels
    dispatcher     = local.services
    secrets        = module.secrets.references
    webhook        = var.webhook == null ? null : module.secrets.references[var.webhook]
  }
}

output "registry" {
  description = "Where images are pushed to: `make images-push REGISTRY=…`."
  value       = module.registry.address
}

output "config" {
  description = "Where the dispatcher finds its environment file and recipes; admins put them there."
  value       = "${module.store["trust"].uri}/dispatch"
}

output "commands" {
  description = "How developers start each command."
  value       = try(module.dispatch[0].commands, {})
}

output "ci" {
  description = "What a workflow names to be believed, and the accounts that it then acts as."
  value       = { provider = module.federation.provider, push = module.identities.emails.ci, plan = module.identities.emails.plan }
}

output "accounts" {
  description = "E-mail of each account, by its name."
  value       = module.identities.emails
}

output "images" {
  description = "The images that the services run; null where there are none yet."
  value       = var.images
}

output "sources" {
  description = "Where developers put the documents that recipes start from."
  value       = module.store["sources"].uri
}
