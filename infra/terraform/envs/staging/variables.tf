variable "images" {
  description = "Images of the services by digest: mlflow, proxy, dispatch. `sluice env services` writes them into images.auto.tfvars.json here; null in there until there are any."
  type        = object({ mlflow = string, proxy = string, dispatch = string })
  # No default: without images an apply would take MLflow and the dispatcher away, so that has to be said.
}
