variable "project" {
  description = "Project that the keys are of."
  type        = string
}

variable "region" {
  description = "Where the keys lie: where the data does that they encrypt."
  type        = string
}

variable "ring" {
  description = "Name of the key ring. It can never be deleted, nor its name be used again."
  type        = string
  default     = "sluice"
}

variable "labels" {
  description = "Labels of every key."
  type        = map(string)
  default     = {}
}

variable "protection_level" {
  description = "SOFTWARE, or HSM for keys that never leave a hardware module."
  type        = string
  default     = "SOFTWARE"
  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.protection_level)
    error_message = "The protection level is none; write SOFTWARE or HSM."
  }
}

variable "signers" {
  description = "Who signs which kind of decision: name of the key to the one member that may sign with it."
  type        = map(string)
  validation {
    condition     = alltrue([for member in values(var.signers) : can(regex("^serviceAccount:[^@\\s]+@[^@\\s]+$", member))])
    error_message = "A key of a graph is signed with by one account; write serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "approvers" {
  description = "Who approves and rolls back: name in the trust roots to the one person that may sign with that key."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for member in values(var.approvers) : can(regex("^user:[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", member))])
    error_message = "An approver's key is open to one person; write user:anna@example.com, not a group or an account."
  }
  validation {
    condition = alltrue([
      for name in keys(var.approvers) : can(regex("^[a-z][a-z0-9-]{0,39}$", name)) && !contains(["data", "release", "monitor"], name)
    ])
    error_message = "An approver's name is a short word in small letters, and not data, release or monitor, which are keys of others."
  }
}

variable "versions" {
  description = "Which version of a signing key signs: its name to a number; 1 where nothing is said, which Terraform made."
  type        = map(number)
  default     = {}
  validation {
    condition     = alltrue([for number in values(var.versions) : number >= 1 && floor(number) == number])
    error_message = "A key's version is a whole number from 1; write the one that `gcloud kms keys versions list` shows."
  }
  validation {
    condition     = alltrue([for name in keys(var.versions) : contains(keys(merge(var.signers, var.approvers)), name)])
    error_message = "A version is of a key that signs: release, monitor or an approver; name one of those."
  }
}

variable "public_key_viewer" {
  description = "Who fetches the public parts into the trust roots."
  type        = string
}

variable "encrypters" {
  description = "Google's own accounts that encrypt with the data key: a word for the service to the member."
  type        = map(string)
  default     = {}
}
