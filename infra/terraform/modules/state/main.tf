locals {
  instance = "projects/${var.project}/instances/${google_sql_database_instance.postgres.name}"
  roles    = toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser"])
  grants   = { for pair in setproduct(keys(var.users), local.roles) : "${pair[0]}-${pair[1]}" => { user = pair[0], role = pair[1] } }
  # PostgreSQL's name of a service account is its e-mail without the end.
  names = { for user, member in var.users : user => trimsuffix(split(":", member)[1], ".gserviceaccount.com") }
}

resource "google_sql_database_instance" "postgres" {
  #checkov:skip=CKV_GCP_6: all connections are encrypted; clients show a token of their account, not a certificate
  #checkov:skip=CKV2_GCP_13: query insights tell how long statements take, without a line of the log for each
  project             = var.project
  region              = var.region
  name                = var.name
  database_version    = "POSTGRES_18"
  encryption_key_name = var.key
  deletion_protection = var.protected

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.tier
    availability_type           = var.replicated ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.protected
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      start_time                     = "02:00"
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = var.protected ? 30 : 7
      }
    }
    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }
    insights_config {
      query_insights_enabled = true
    }
    # Nobody has a password: who logs in shows a token of their Google account. The rest says in the log who did what.
    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_hostname"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_messages"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
  }
}

resource "google_sql_database" "mlflow" {
  project  = var.project
  instance = google_sql_database_instance.postgres.name
  name     = "mlflow"
  # A database goes with the instance that holds it: its tables are owned by users that Terraform does not see.
  deletion_policy = "ABANDON"
}

# A user may log in and no more; what the server needs in its database an admin gives once, see the README.
resource "google_sql_user" "user" {
  for_each = var.users

  project         = var.project
  instance        = google_sql_database_instance.postgres.name
  name            = local.names[each.key]
  type            = startswith(each.value, "user:") ? "CLOUD_IAM_USER" : "CLOUD_IAM_SERVICE_ACCOUNT"
  deletion_policy = "ABANDON"
}

resource "google_project_iam_member" "login" {
  for_each = local.grants

  project = var.project
  role    = each.value.role
  member  = var.users[each.value.user]
  condition {
    title       = "this-instance"
    description = "Only the database of this environment"
    expression  = "resource.service == \"sqladmin.googleapis.com\" && resource.name == \"${local.instance}\""
  }
}
