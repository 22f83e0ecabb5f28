locals {
  # roles/aiplatform.user would let what trains move an alias, deploy a model and start a graph. So each identity has a
  # role of its own with what it does, by the methods that Sluice calls. Nobody has aiplatform.customJobs.create: a job that
  # names no account runs as Google's own for custom code, which may act as every account of the project.
  metadata = [
    "aiplatform.artifacts.create", "aiplatform.artifacts.get", "aiplatform.artifacts.list", "aiplatform.artifacts.update",
    "aiplatform.contexts.addContextArtifactsAndExecutions", "aiplatform.contexts.addContextChildren",
    "aiplatform.contexts.create", "aiplatform.contexts.get", "aiplatform.contexts.list",
    "aiplatform.contexts.queryContextLineageSubgraph", "aiplatform.contexts.update",
    "aiplatform.executions.addExecutionEvents", "aiplatform.executions.create", "aiplatform.executions.get",
    "aiplatform.executions.list", "aiplatform.executions.queryExecutionInputsAndOutputs",
    "aiplatform.executions.update", "aiplatform.metadataStores.get", "aiplatform.metadataStores.list",
  ]
  reading = [
    "aiplatform.locations.get", "aiplatform.modelEvaluations.get", "aiplatform.modelEvaluations.list",
    "aiplatform.models.get", "aiplatform.models.list", "aiplatform.operations.list", "aiplatform.pipelineJobs.get",
    "aiplatform.pipelineJobs.list",
  ]
  # Aliases follow what should serve, also where what serves was not registered while the registry was away.
  aliases = ["aiplatform.modelEvaluations.import", "aiplatform.models.update", "aiplatform.models.upload"]
  # A step that failed says why in its log, and whoever follows a run reads it there.
  following = ["logging.logEntries.list"]
  permissions = {
    lifecycle = concat(local.metadata, local.reading, ["aiplatform.models.upload"])
    release   = concat(local.metadata, local.reading, local.aliases)
    monitor   = concat(local.metadata, local.reading)
    submit = concat(local.metadata, local.reading, local.following, [
      "aiplatform.metadataStores.create", "aiplatform.pipelineJobs.cancel", "aiplatform.pipelineJobs.create",
      "aiplatform.schedules.create", "aiplatform.schedules.delete", "aiplatform.schedules.get",
      "aiplatform.schedules.list", "aiplatform.schedules.update",
    ])
    approver  = concat(local.reading, local.following, local.aliases)
    developer = ["aiplatform.pipelineJobs.cancel"]
    serve = concat(local.reading, [
      "aiplatform.endpoints.deploy", "aiplatform.endpoints.get", "aiplatform.endpoints.list",
      "aiplatform.endpoints.predict", "aiplatform.endpoints.undeploy", "aiplatform.endpoints.update",
    ])
  }
  titles = {
    lifecycle = "registers candidates"
    release   = "moves aliases and imports evaluations"
    monitor   = "reads models and runs"
    submit    = "starts, ends and schedules graphs"
    approver  = "looks at runs, and moves aliases after a rollback"
    developer = "ends runs"
    serve     = "brings endpoints to what should serve"
  }
  holders = merge(
    { for name in concat(["lifecycle", "release", "monitor", "submit"], length(var.endpoints) > 0 ? ["serve"] : []) : name => { role = name, member = var.members[name] } },
    { for name, member in var.approvers : "approver-${name}" => { role = "approver", member = member } },
    { developers = { role = "developer", member = var.developers } },
  )
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.permissions

  project     = var.project
  role_id     = "sluice${title(each.key)}"
  title       = "Sluice ${each.key}"
  description = "Vertex AI: ${local.titles[each.key]}"
  permissions = sort(each.value)
}

resource "google_project_iam_member" "holder" {
  for_each = local.holders

  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.role[each.value.role].role_id}"
  member  = each.value.member
}

resource "google_vertex_ai_endpoint" "endpoint" {
  #checkov:skip=CKV2_GCP_33: who may ask is decided by IAM; a private endpoint is reached from one network, and steps are in none
  for_each = var.endpoints

  project      = var.project
  location     = var.region
  name         = each.value
  display_name = each.key
  labels       = var.labels
  encryption_spec {
    kms_key_name = var.key
  }
}
