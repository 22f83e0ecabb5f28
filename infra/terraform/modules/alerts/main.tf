locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  # A line of the log each; what it means and what to do is what whoever is woken reads.
  alerts = {
    run-failed = {
      title  = "A run failed"
      filter = "logName=\"projects/${var.project}/logs/aiplatform.googleapis.com%2Fpipeline_job_events\" jsonPayload.state=\"PIPELINE_STATE_FAILED\""
      advice = "`sluice runs`, then `sluice logs RUN STEP`. Nothing that serves has changed; the same command again goes on from what is done."
    }
    request-refused = {
      title  = "The dispatcher refused a run request"
      filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"sluice-dispatch\" severity>=WARNING"
      advice = "The line says which request and why. A request that nobody of ours wrote is an attack: see who writes the store."
    }
    signing-refused = {
      title  = "Somebody asked for a signature that is not theirs"
      filter = "logName=\"projects/${var.project}/logs/cloudaudit.googleapis.com%2Fdata_access\" protoPayload.serviceName=\"cloudkms.googleapis.com\" protoPayload.methodName=~\"AsymmetricSign\" protoPayload.status.code=7"
      advice = "protoPayload.authenticationInfo names who. No step asks for another's key: look at the images that ran."
    }
    # This one object: with every deployment others are written beside it.
    trust-changed = {
      title  = "The trust roots were changed"
      filter = "logName=\"projects/${var.project}/logs/cloudaudit.googleapis.com%2Fdata_access\" resource.type=\"gcs_bucket\" resource.labels.bucket_name=\"${var.trust_bucket}\" protoPayload.resourceName=~\"/objects/trust.json$\" protoPayload.methodName=~\"storage.objects.(create|delete|update)\""
      advice = "Whose key may decide was changed by who is named. If nobody meant to: bring the older version of the object back."
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project
  display_name = "Sluice: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  project               = var.project
  display_name          = "Sluice: ${each.value.title}"
  combiner              = "OR"
  user_labels           = var.labels
  notification_channels = local.channels
  conditions {
    display_name = each.value.title
    condition_matched_log {
      filter = each.value.filter
    }
  }
  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "300s"
    }
  }
  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
  }
}

resource "google_billing_budget" "month" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "Sluice: ${var.project}"
  budget_filter {
    projects        = ["projects/${var.project_number}"]
    calendar_period = "MONTH"
  }
  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }
  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }
  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }
  all_updates_rule {
    monitoring_notification_channels = local.channels
  }
}

# Whoever shows a plan compares the budget too. For a budget of one project rights in that project are enough, so nobody
# here has any on the billing account.
resource "google_project_iam_custom_role" "budget" {
  count = var.budget == null ? 0 : 1

  project     = var.project
  role_id     = "sluiceBudget"
  title       = "Sluice budget"
  description = "Reads the project's budget"
  permissions = ["billing.resourcebudgets.read", "resourcemanager.projects.get"]
}

resource "google_project_iam_member" "budget" {
  count = var.budget == null ? 0 : 1

  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.budget[0].role_id}"
  member  = var.budget_reader
}
