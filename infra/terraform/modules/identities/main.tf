locals {
  accounts = {
    lifecycle = "Steps of the graph lifecycle: data, training here, the candidate"
    train     = "Custom jobs that train on many machines"
    release   = "Steps of the graph release: examines, signs, moves what should serve"
    monitor   = "Steps of the graph monitoring: looks at traffic, signs a retraining"
    serve     = "Gateways and model servers, and what brings the world to the endpoint's state"
    submit    = "The dispatcher: starts the graphs, and nothing else may"
    mlflow    = "The MLflow server"
    ci        = "Builds and pushes images, from protected refs"
    plan      = "Shows what a pull request would change; reads, and changes nothing"
  }
  # The first promise: an account acts only as these. What trains is nowhere near what signs.
  acts_as = {
    lifecycle = ["lifecycle", "train"]
    submit    = ["lifecycle", "release", "monitor"]
  }
  pairs = merge([for who, whom in local.acts_as : { for one in whom : "${who}-as-${one}" => { who = who, as = one } }]...)
  # Composed, so that a plan says who may do what before anything is there. The id is read from the resource, so that
  # what uses it waits for the account.
  emails  = { for name, one in google_service_account.account : name => "${one.account_id}@${var.project}.iam.gserviceaccount.com" }
  members = { for name, email in local.emails : name => "serviceAccount:${email}" }
  loggers = toset(["lifecycle", "train", "release", "monitor", "serve", "submit", "mlflow"])
  # What people look at; the last says how a command is that they started.
  overseer = toset(["roles/aiplatform.viewer", "roles/logging.viewer", "roles/monitoring.viewer", "roles/run.viewer"])
  people   = { for pair in setproduct(["admins", "developers"], local.overseer) : "${pair[0]}-${pair[1]}" => { group = pair[0], role = pair[1] } }
  groups   = { admins = "group:${var.admins}", developers = "group:${var.developers}" }
  # What a plan has to read, role by role: roles/viewer would also open the objects of every bucket. Whoever asks Google in
  # the project's name, as the provider is told to, is a consumer.
  planner = toset([
    "roles/aiplatform.viewer", "roles/artifactregistry.reader", "roles/cloudkms.viewer", "roles/cloudsql.viewer",
    "roles/compute.networkViewer", "roles/iam.roleViewer", "roles/iam.securityReviewer",
    "roles/iam.workloadIdentityPoolViewer", "roles/monitoring.viewer", "roles/pubsub.viewer", "roles/run.viewer",
    "roles/secretmanager.viewer", "roles/serviceusage.serviceUsageConsumer", "roles/storage.bucketViewer",
  ])
}

resource "google_service_account" "account" {
  for_each = local.accounts

  project      = var.project
  account_id   = "sluice-${each.key}"
  display_name = "Sluice: ${each.key}"
  description  = each.value
}

resource "google_service_account_iam_member" "acts" {
  for_each = local.pairs

  service_account_id = "projects/${var.project}/serviceAccounts/${local.emails[each.value.as]}"
  role               = "roles/iam.serviceAccountUser"
  member             = local.members[each.value.who]
}

resource "google_project_iam_member" "logs" {
  for_each = local.loggers

  project = var.project
  role    = "roles/logging.logWriter"
  member  = local.members[each.key]
}

resource "google_project_iam_member" "people" {
  for_each = local.people

  project = var.project
  role    = each.value.role
  member  = local.groups[each.value.group]
}

resource "google_project_iam_member" "plan" {
  for_each = local.planner

  project = var.project
  role    = each.key
  member  = local.members["plan"]
}
