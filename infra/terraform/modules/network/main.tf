resource "google_compute_network" "network" {
  project                 = var.project
  name                    = "sluice"
  auto_create_subnetworks = false
}

# What a network without rules does anyway, but said, and each try is in the log.
resource "google_compute_firewall" "nothing_in" {
  project       = var.project
  name          = "sluice-nothing-in"
  network       = google_compute_network.network.id
  direction     = "INGRESS"
  priority      = 65534
  source_ranges = ["0.0.0.0/0"]
  deny {
    protocol = "all"
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_subnetwork" "subnet" {
  #checkov:skip=CKV_GCP_76: the subnet has IPv4 addresses only
  project       = var.project
  region        = var.region
  name          = "sluice-${var.region}"
  network       = google_compute_network.network.id
  ip_cidr_range = var.range
  # Google's own APIs are reached without a public address.
  private_ip_google_access = true
  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# What has no public address reaches hubs and registries through here, and nothing reaches in.
resource "google_compute_router" "router" {
  project = var.project
  region  = var.region
  name    = "sluice"
  network = google_compute_network.network.id
}

resource "google_compute_router_nat" "nat" {
  project                            = var.project
  region                             = var.region
  name                               = "sluice"
  router                             = google_compute_router.router.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Addresses that Google's services (Cloud SQL, peered training machines) take in this network.
resource "google_compute_global_address" "services" {
  project       = var.project
  name          = "sluice-services"
  network       = google_compute_network.network.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 16
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.network.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}
