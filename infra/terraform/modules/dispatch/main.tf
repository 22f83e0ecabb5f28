locals {
  config  = "/config"
  folder  = "${local.config}/dispatch"
  env     = "${local.folder}/environment.yaml"
  recipes = [for recipe in var.recipes : "${local.folder}/${recipe}"]
}

# The dispatcher: starts what runs ask for. It looks every 30 s, so it has a CPU also when nobody asks.
resource "google_cloud_run_v2_service" "dispatch" {
  project             = var.project
  location            = var.region
  name                = "sluice-dispatch"
  description         = "Starts the graphs that run requests in the store ask for, each once"
  labels              = var.labels
  deletion_protection = var.protected
  # Pub/Sub of the same project comes from inside; nobody else has anything to say here.
  ingress = "INGRESS_TRAFFIC_INTERNAL_ONLY"

  template {
    service_account       = var.account
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
    encryption_key        = var.key
    labels                = var.labels
    scaling {
      min_instance_count = 1
      # More would only wait for each other: a request is claimed in the store.
      max_instance_count = 1
    }
    volumes {
      name = "config"
      gcs {
        bucket    = var.config_bucket
        read_only = true
      }
    }
    containers {
      image       = var.image
      command     = ["sluice"]
      working_dir = "/tmp" # runs are mirrored here; they lie in the store
      args        = concat(["dispatch"], local.recipes, ["--env", local.env, "--host", "0.0.0.0", "--port", "8080"])
      ports {
        container_port = 8080
      }
      volume_mounts {
        name       = "config"
        mount_path = local.config
      }
      resources {
        limits   = { cpu = "1", memory = "1Gi" }
        cpu_idle = false
      }
      startup_probe {
        period_seconds    = 5
        failure_threshold = 24
        http_get {
          path = "/healthz"
          port = 8080
        }
      }
      liveness_probe {
        period_seconds    = 30
        failure_threshold = 3
        http_get {
          path = "/healthz"
          port = 8080
        }
      }
    }
  }
}

# Commands that a person starts and the dispatcher's account carries out, such as `sluice schedule`: so nobody has to be
# able to act as what signs. What they say is fixed here, and whoever executes one can say nothing else.
resource "google_cloud_run_v2_job" "command" {
  for_each = var.commands

  project             = var.project
  location            = var.region
  name                = "sluice-${each.key}"
  labels              = var.labels
  deletion_protection = false

  template {
    labels = var.labels
    template {
      service_account       = var.account
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      encryption_key        = var.key
      max_retries           = 0
      timeout               = "3600s"
      volumes {
        name = "config"
        gcs {
          bucket    = var.config_bucket
          read_only = true
        }
      }
      containers {
        image       = var.image
        command     = ["sluice"]
        args        = concat([each.value.command], [for recipe in each.value.recipe[*] : "${local.folder}/${recipe}"], each.value.options, ["--env", local.env])
        working_dir = "/tmp" # runs are mirrored here; they lie in the store
        volume_mounts {
          name       = "config"
          mount_path = local.config
        }
        resources {
          limits = { cpu = "1", memory = "1Gi" }
        }
      }
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "executor" {
  for_each = var.commands

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_job.command[each.key].name
  role     = "roles/run.jobsExecutor"
  member   = var.executor
}

# Says that a run request was written: Cloud Storage tells the topic, the topic pushes to the dispatcher as `push`.
resource "google_service_account" "push" {
  project      = var.project
  account_id   = "sluice-push"
  display_name = "Sluice: push"
  description  = "Pub/Sub's messages to the dispatcher"
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.dispatch.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.push.account_id}@${var.project}.iam.gserviceaccount.com"
}

resource "google_cloud_run_v2_service_iam_member" "deployer" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.dispatch.name
  role     = "roles/run.developer"
  member   = var.deployer
}

resource "google_pubsub_topic" "requests" {
  project                    = var.project
  name                       = "sluice-requests"
  labels                     = var.labels
  kms_key_name               = var.key
  message_retention_duration = "86400s"
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic_iam_member" "storage" {
  project = var.project
  topic   = google_pubsub_topic.requests.name
  role    = "roles/pubsub.publisher"
  member  = var.storage_agent
}

resource "google_storage_notification" "requests" {
  bucket             = var.store.bucket
  topic              = "projects/${var.project}/topics/${google_pubsub_topic.requests.name}"
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = "${var.store.prefix}/requests/"
  depends_on         = [google_pubsub_topic_iam_member.storage]
}

# A message that nobody could deal with for a day is no loss: the dispatcher looks through the store as well.
resource "google_pubsub_subscription" "push" {
  project                    = var.project
  name                       = "sluice-dispatch"
  labels                     = var.labels
  topic                      = google_pubsub_topic.requests.id
  ack_deadline_seconds       = 600
  message_retention_duration = "86400s"
  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
  push_config {
    push_endpoint = google_cloud_run_v2_service.dispatch.uri
    oidc_token {
      service_account_email = "${google_service_account.push.account_id}@${var.project}.iam.gserviceaccount.com"
      audience              = google_cloud_run_v2_service.dispatch.uri
    }
  }
}
