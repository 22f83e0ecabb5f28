variable "project" {
  description = "Project that the images are of."
  type        = string
}

variable "region" {
  description = "Where the images lie: where they start."
  type        = string
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the images."
  type        = string
}

variable "readers" {
  description = "Who pulls: a word for it to the member."
  type        = map(string)
}

variable "writer" {
  description = "The one account that pushes."
  type        = string
  validation {
    condition     = startswith(var.writer, "serviceAccount:")
    error_message = "Images are pushed by an account of CI, so that each has a build that can be looked at; write serviceAccount:…."
  }
}
