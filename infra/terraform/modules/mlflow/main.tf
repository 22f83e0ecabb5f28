locals {
  user = urlencode(var.database.user)
}

# Nobody has a password: the proxy beside the server logs in with a token of the server's own account.
resource "google_cloud_run_v2_service" "mlflow" {
  project             = var.project
  location            = var.region
  name                = "sluice-mlflow"
  description         = "Tracks experiments; answers whoever may invoke it, and nobody else"
  labels              = var.labels
  deletion_protection = var.protected
  # Steps on Vertex AI come from Google's own network, not from ours, so who asks is what counts, not from where.
  ingress = "INGRESS_TRAFFIC_ALL"

  template {
    service_account       = var.account
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
    encryption_key        = var.key
    labels                = var.labels
    scaling {
      min_instance_count = 0
      max_instance_count = 2
    }
    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = var.network
        subnetwork = var.subnet
      }
    }
    containers {
      name       = "mlflow"
      image      = var.images.mlflow
      depends_on = ["proxy"]
      command    = ["mlflow"]
      args = [
        "server", "--host", "0.0.0.0", "--port", "8080", "--workers", "2",
        "--backend-store-uri", "postgresql+psycopg://${local.user}@127.0.0.1:5432/mlflow",
        "--default-artifact-root", var.artifacts, "--no-serve-artifacts", "--allowed-hosts", "*.run.app",
      ]
      ports {
        container_port = 8080
      }
      resources {
        limits = { cpu = "1", memory = "2Gi" }
      }
      startup_probe {
        period_seconds    = 5
        failure_threshold = 24
        http_get {
          path = "/health"
          port = 8080
        }
      }
    }
    containers {
      name  = "proxy"
      image = var.images.proxy
      args = [
        "--private-ip", "--auto-iam-authn", "--port", "5432", "--structured-logs", "--health-check",
        "--http-address", "0.0.0.0", "--http-port", "9090", var.database.connection,
      ]
      resources {
        limits = { cpu = "1", memory = "512Mi" }
      }
      startup_probe {
        period_seconds    = 2
        failure_threshold = 30
        http_get {
          path = "/startup"
          port = 9090
        }
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.invokers

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.mlflow.name
  role     = "roles/run.invoker"
  member   = each.value
}

# May look at the service and give it another revision, but for the account that the server runs as: who deploys has to
# act as that too, and CI does not.
resource "google_cloud_run_v2_service_iam_member" "deployer" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.mlflow.name
  role     = "roles/run.developer"
  member   = var.deployer
}
