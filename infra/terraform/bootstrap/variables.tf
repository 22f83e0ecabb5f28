variable "project" {
  description = "The environment's project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "The project's id is refused by Google; use 6 to 30 small letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "Where the bucket lies."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "The region is none of Google's; write one such as europe-west4, not a zone and not a multi-region."
  }
}

variable "admins" {
  description = "E-mail of the Google group that applies Terraform."
  type        = string
  validation {
    condition     = can(regex("^[^@:\\s]+@[^@\\s]+\\.[^@\\s]+$", var.admins))
    error_message = "The admins are no group's e-mail; write one such as sluice-admins@example.com, without `group:`."
  }
}
