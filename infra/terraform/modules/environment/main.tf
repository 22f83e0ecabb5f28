# One environment: all modules, wired. What differs between environments is in their own folders, as values.
locals {
  labels = merge(var.labels, { environment = var.name, system = "sluice" })
  # Google's own accounts in the project, by its number.
  agents = {
    artifactregistry = "serviceAccount:service-${var.project_number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    cloudsql         = "serviceAccount:service-${var.project_number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    pubsub           = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    run              = "serviceAccount:service-${var.project_number}@serverless-robot-prod.iam.gserviceaccount.com"
    secretmanager    = "serviceAccount:service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    storage          = "serviceAccount:service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
    vertex           = "serviceAccount:service-${var.project_number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
  }
  accounts = module.identities.members
  # The members of `accounts` that a recipe's secrets may be opened to: steps, what serves and the dispatcher.
  secrets  = { for secret, readers in var.secrets : secret => { for reader in readers : reader => local.accounts[reader] } }
  services = var.images != null
}

module "services" {
  source  = "../services"
  project = var.project
  budget  = var.budget != null
}

module "identities" {
  source     = "../identities"
  project    = var.project
  admins     = var.admins
  developers = var.developers
  depends_on = [module.services]
}

module "kms" {
  source            = "../kms"
  project           = var.project
  region            = var.region
  labels            = local.labels
  protection_level  = var.protection_level
  signers           = { release = local.accounts.release, monitor = local.accounts.monitor }
  approvers         = var.approvers
  versions          = var.key_versions
  public_key_viewer = module.identities.groups.admins
  encrypters        = local.agents
  depends_on        = [module.services]
}

module "store" {
  source   = "../store"
  for_each = local.buckets

  project                = var.project
  region                 = var.region
  labels                 = local.labels
  key                    = module.kms.data_key
  name                   = each.value.name
  access                 = each.value.access
  delete_after_days      = each.value.delete_after_days
  keep_old_versions_days = each.value.keep_old_versions_days
  protected              = var.protected
}

module "registry" {
  source  = "../registry"
  project = var.project
  region  = var.region
  labels  = local.labels
  key     = module.kms.data_key
  writer  = local.accounts.ci
  readers = { for name in ["lifecycle", "release", "monitor", "serve", "submit"] : name => local.accounts[name] }
}

module "secrets" {
  source  = "../secrets"
  project = var.project
  region  = var.region
  labels  = local.labels
  key     = module.kms.data_key
  secrets = local.secrets
}

module "vertex" {
  source     = "../vertex"
  project    = var.project
  region     = var.region
  labels     = local.labels
  key        = module.kms.data_key
  members    = { for name in ["lifecycle", "release", "monitor", "submit", "serve"] : name => local.accounts[name] }
  approvers  = var.approvers
  developers = module.identities.groups.developers
  endpoints  = var.vertex_endpoints
}

module "network" {
  source         = "../network"
  project        = var.project
  project_number = var.project_number
  region         = var.region
  range          = var.network_range
  depends_on     = [module.services]
}

module "state" {
  source     = "../state"
  project    = var.project
  region     = var.region
  labels     = local.labels
  key        = module.kms.data_key
  network    = module.network.network
  tier       = var.database.tier
  disk_gb    = var.database.disk_gb
  replicated = var.database.replicated
  protected  = var.protected
  users      = { mlflow = local.accounts.mlflow }
}

module "mlflow" {
  source = "../mlflow"
  count  = local.services ? 1 : 0

  project        = var.project
  project_number = var.project_number
  region         = var.region
  labels         = local.labels
  account        = module.identities.emails.mlflow
  key            = module.kms.data_key
  images         = { mlflow = var.images.mlflow, proxy = var.images.proxy }
  network        = module.network.network
  subnet         = module.network.subnet
  database       = { connection = module.state.connection, user = module.state.users.mlflow }
  artifacts      = "${module.store["store"].uri}/mlflow"
  invokers = merge(
    { for name in ["lifecycle", "train", "release"] : name => local.accounts[name] },
    { developers = module.identities.groups.developers },
  )
  deployer  = local.accounts.ci
  protected = var.protected
}

module "dispatch" {
  source = "../dispatch"
  count  = local.services ? 1 : 0

  project       = var.project
  region        = var.region
  labels        = local.labels
  account       = module.identities.emails.submit
  key           = module.kms.data_key
  image         = var.images.dispatch
  config_bucket = module.store["trust"].name
  recipes       = var.recipes
  commands      = var.commands
  executor      = module.identities.groups.developers
  deployer      = local.accounts.ci
  store         = { bucket = module.store["store"].name, prefix = local.prefix }
  storage_agent = local.agents.storage
  protected     = var.protected
}

module "alerts" {
  source         = "../alerts"
  project        = var.project
  project_number = var.project_number
  labels         = local.labels
  emails         = var.alert_emails
  trust_bucket   = module.store["trust"].name
  budget         = var.budget
  budget_reader  = local.accounts.plan
}

module "federation" {
  source         = "../federation"
  project        = var.project
  project_number = var.project_number
  repository     = var.repository
  repository_id  = var.repository_id
  refs           = var.refs
  accounts       = { ci = module.identities.emails.ci, plan = module.identities.emails.plan }
  state_bucket   = "${var.project}-sluice-terraform"
}
