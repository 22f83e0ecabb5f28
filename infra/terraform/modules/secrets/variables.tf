variable "project" {
  description = "Project that the secrets are of."
  type        = string
}

variable "region" {
  description = "Where their values are kept."
  type        = string
}

variable "labels" {
  description = "Labels of every secret."
  type        = map(string)
  default     = {}
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the values."
  type        = string
}

variable "secrets" {
  description = "Secret to those who read it: a word for each to the member."
  type        = map(map(string))
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Za-z][A-Za-z0-9_-]{0,254}$", name))])
    error_message = "A secret's name is refused by Google or by an environment file; use letters, digits, hyphens and underscores, a letter first."
  }
}
