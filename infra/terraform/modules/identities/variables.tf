variable "project" {
  description = "Project that the accounts are of."
  type        = string
}

variable "admins" {
  description = "E-mail of the Google group that looks after the environment: trust roots, public parts of keys, tidying."
  type        = string
  validation {
    condition     = can(regex("^[^@:\\s]+@[^@\\s]+\\.[^@\\s]+$", var.admins))
    error_message = "The admins are no group's e-mail; write one such as sluice-admins@example.com, without `group:`."
  }
}

variable "developers" {
  description = "E-mail of the Google group that looks at runs, logs and models."
  type        = string
  validation {
    condition     = can(regex("^[^@:\\s]+@[^@\\s]+\\.[^@\\s]+$", var.developers))
    error_message = "The developers are no group's e-mail; write one such as ml-team@example.com, without `group:`."
  }
}
