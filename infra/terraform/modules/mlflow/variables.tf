variable "project" {
  description = "Project that the server runs in."
  type        = string
}

variable "project_number" {
  description = "The project's number: the server's address has it."
  type        = string
}

variable "region" {
  description = "Where the server runs."
  type        = string
}

variable "labels" {
  description = "Labels of the service and its revisions."
  type        = map(string)
  default     = {}
}

variable "account" {
  description = "E-mail of the account that the server runs as."
  type        = string
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the image where it runs."
  type        = string
}

variable "images" {
  description = "Images by digest: the server, and the Cloud SQL Auth Proxy beside it."
  type        = object({ mlflow = string, proxy = string })
  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", image))])
    error_message = "An image is not pinned; write REGISTRY/NAME@sha256:<64 digits>, a tag can move."
  }
}

variable "network" {
  description = "Network in which the database is."
  type        = string
}

variable "subnet" {
  description = "Subnet in which the server has its address."
  type        = string
}

variable "database" {
  description = "The instance as the proxy names it, and PostgreSQL's name of the server's account."
  type        = object({ connection = string, user = string })
}

variable "artifacts" {
  description = "Where clients put artifacts of experiments, themselves and with their own rights."
  type        = string
  validation {
    condition     = startswith(var.artifacts, "gs://")
    error_message = "Artifacts of experiments lie in a bucket; write gs://BUCKET/PREFIX."
  }
}

variable "invokers" {
  description = "Who may ask the server: a word for it to the member."
  type        = map(string)
  validation {
    condition     = alltrue([for member in values(var.invokers) : !contains(["allUsers", "allAuthenticatedUsers"], member)])
    error_message = "The server is not public; name accounts, people or groups."
  }
}

variable "deployer" {
  description = "The account of CI."
  type        = string
}

variable "protected" {
  description = "Whether the service is refused to be deleted."
  type        = bool
  default     = true
}
