resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = "sluice"
  description   = "Images of Sluice's steps and services"
  format        = "DOCKER"
  labels        = var.labels
  kms_key_name  = var.key
  docker_config {
    # What a tag says stays: an image is known by its digest, and a tag that moves would say otherwise.
    immutable_tags = true
  }
  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }
  # Environments and graphs that are kept name images by digest, so only what was never tagged may go.
  cleanup_policies {
    id     = "never-tagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s" # 30 days
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "reader" {
  for_each = var.readers

  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.reader"
  member     = each.value
}

resource "google_artifact_registry_repository_iam_member" "writer" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = var.writer
}
