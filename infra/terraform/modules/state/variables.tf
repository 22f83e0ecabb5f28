variable "project" {
  description = "Project that the database is of."
  type        = string
}

variable "region" {
  description = "Where the database runs."
  type        = string
}

variable "name" {
  description = "Name of the instance. Google lets a name rest for a week after it was deleted."
  type        = string
  default     = "sluice"
}

variable "labels" {
  description = "Labels of the instance."
  type        = map(string)
  default     = {}
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the disk and the backups."
  type        = string
}

variable "network" {
  description = "Network in which the database has its address; it has no public one. Known once private services are reachable there."
  type        = string
}

variable "tier" {
  description = "Size of the machine, such as db-f1-micro or db-custom-2-7680 (2 CPUs, 7680 MiB)."
  type        = string
  validation {
    condition     = can(regex("^db-(f1-micro|g1-small|custom-[0-9]+-[0-9]+)$", var.tier))
    error_message = "The tier is none of PostgreSQL's; write db-f1-micro, db-g1-small or db-custom-CPUS-MEBIBYTES."
  }
}

variable "disk_gb" {
  description = "Size of the disk at first (GB); it grows by itself and never shrinks."
  type        = number
  default     = 10
  validation {
    condition     = var.disk_gb >= 10 && var.disk_gb <= 65536 && floor(var.disk_gb) == var.disk_gb
    error_message = "Cloud SQL's disks have 10 to 65536 GB, in whole numbers; take one of those."
  }
}

variable "replicated" {
  description = "Whether a second zone holds a copy that takes over."
  type        = bool
  default     = false
}

variable "protected" {
  description = "Whether the instance is refused to be deleted, by Terraform and by Google."
  type        = bool
  default     = true
}

variable "users" {
  description = "Who may log in: a word for it to the account or person, as a member of a policy."
  type        = map(string)
  validation {
    condition     = alltrue([for member in values(var.users) : can(regex("^(serviceAccount|user):[^@\\s]+@[^@\\s]+$", member))])
    error_message = "Who logs into the database is an account or a person; write serviceAccount:… or user:…."
  }
}
