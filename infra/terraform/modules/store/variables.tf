variable "project" {
  description = "Project that the bucket is of."
  type        = string
}

variable "region" {
  description = "Where the bucket lies: where the steps run that read and write it."
  type        = string
}

variable "name" {
  description = "The bucket's name, of which there is one in the world."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name)) && !startswith(var.name, "goog")
    error_message = "The bucket's name is refused by Google; use 3 to 63 small letters, digits and hyphens, not beginning with goog."
  }
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = {}
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the objects."
  type        = string
}

variable "protected" {
  description = "Whether a bucket that is not empty is kept when Terraform is told to destroy it."
  type        = bool
  default     = true
}

variable "soft_delete_days" {
  description = "How long a deleted object can be brought back (days)."
  type        = number
  default     = 14
  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "Google keeps a deleted object for 7 to 90 days; take a number of days between."
  }
}

variable "keep_old_versions_days" {
  description = "How long a version is kept that another one has replaced (days)."
  type        = number
  default     = 30
  validation {
    condition     = var.keep_old_versions_days >= 1
    error_message = "Versions that were replaced are kept for a day at least, to undo a mistake; take 1 or more."
  }
}

variable "delete_after_days" {
  description = "Age at which an object is deleted (days); null for never."
  type        = number
  default     = null
  validation {
    condition     = var.delete_after_days == null ? true : var.delete_after_days >= 1
    error_message = "Objects are deleted at an age of a day at least; take 1 or more, or null for never."
  }
}

variable "access" {
  description = "Who may do what: a word for it to the member, the role (objectViewer, objectCreator: what is there stays, objectUser) and, where it is not the whole bucket, how the objects' names begin."
  type        = map(object({ member = string, role = string, prefix = optional(string) }))
  validation {
    condition     = alltrue([for one in values(var.access) : contains(["objectViewer", "objectCreator", "objectUser"], one.role)])
    error_message = "Access to a bucket is objectViewer, objectCreator or objectUser; who needs more is no step and no person's daily work."
  }
  validation {
    condition     = alltrue([for one in values(var.access) : !contains(["allUsers", "allAuthenticatedUsers"], one.member)])
    error_message = "A bucket is open to nobody that is not named; name an account, a person or a group."
  }
}
