variable "images" {
  description = "Images of the services by digest, as CI hands them on: mlflow, proxy, dispatch. Null until there are any."
  type        = object({ mlflow = string, proxy = string, dispatch = string })
  default     = null
}
