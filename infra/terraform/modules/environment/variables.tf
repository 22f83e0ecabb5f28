variable "name" {
  description = "The environment's name, in decisions and environment files: dev, staging, prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "The environment's name is refused by Sluice; use a small letter, then small letters, digits and hyphens, 40 at most."
  }
}

variable "project" {
  description = "The environment's own Google Cloud project: two environments in one could reach each other."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project)) && !can(regex("google|goog-", var.project))
    error_message = "The project's id is refused by Google; use 6 to 30 small letters, digits and hyphens, a letter first, without the word google."
  }
}

variable "project_number" {
  description = "The project's number, as `gcloud projects describe PROJECT --format 'value(projectNumber)'` prints it."
  type        = string
  validation {
    condition     = can(regex("^[1-9][0-9]{5,19}$", var.project_number))
    error_message = "The project's number is none; write what `gcloud projects describe PROJECT --format 'value(projectNumber)'` prints."
  }
}

variable "region" {
  description = "Where everything lies and runs."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "The region is none of Google's; write one such as europe-west4, not a zone and not a multi-region."
  }
}

variable "labels" {
  description = "Labels of everything that takes some, such as team, to find and to charge by."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "A label is refused by Google; use small letters, digits, hyphens and underscores, 63 at most, the key a letter first."
  }
}

variable "admins" {
  description = "E-mail of the Google group that looks after the environment."
  type        = string
}

variable "developers" {
  description = "E-mail of the Google group that looks at runs and starts `commands`."
  type        = string
}

variable "approvers" {
  description = "Who approves and rolls back: name in the trust roots to the person, as user:anna@example.com. Each has a key of their own."
  type        = map(string)
  default     = {}
}

variable "key_versions" {
  description = "Which version of a signing key signs: its name to a number; 1 where nothing is said. See ../kms."
  type        = map(number)
  default     = {}
}

variable "protection_level" {
  description = "SOFTWARE, or HSM for keys that never leave a hardware module."
  type        = string
  default     = "SOFTWARE"
}

variable "protected" {
  description = "Whether database, services and buckets with something in them are refused to be deleted."
  type        = bool
  default     = true
}

variable "database" {
  description = "Size of the database, and whether a second zone holds a copy that takes over."
  type        = object({ tier = string, disk_gb = optional(number, 10), replicated = optional(bool, false) })
}

variable "images" {
  description = "Images of the services by digest: mlflow, its proxy, dispatch; null until there are any, for the registry comes first."
  type        = object({ mlflow = string, proxy = string, dispatch = string })
  default     = null
}

variable "recipes" {
  description = "File names of the recipes that the dispatcher dispatches; they lie beside the environment file."
  type        = list(string)
  default     = ["recipe.yaml"]
}

variable "commands" {
  description = "Commands that developers may start as the dispatcher, see ../dispatch."
  type        = map(object({ command = string, recipe = optional(string), options = optional(list(string), []) }))
  default     = {}
}

variable "secrets" {
  description = "Secret to the accounts that read it, such as {hf-token = [\"lifecycle\"]}."
  type        = map(list(string))
  default     = {}
  validation {
    condition     = alltrue([for reader in flatten(values(var.secrets)) : contains(["lifecycle", "train", "release", "monitor", "serve", "submit"], reader)])
    error_message = "A secret is read by lifecycle, train, release, monitor, serve or submit; name those."
  }
}

variable "webhook" {
  description = "Secret that holds the address of notifications; null for none. It is one of `secrets`, for submit."
  type        = string
  default     = null
  validation {
    condition     = var.webhook == null ? true : contains(lookup(var.secrets, var.webhook, []), "submit")
    error_message = "The webhook is a secret that submit reads; name it in `secrets`, such as {slack = [\"submit\"]}."
  }
}

variable "experiment" {
  description = "Vertex AI experiment that lists the runs; empty for none."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^$|^[a-z0-9][a-z0-9-]{3,127}$", var.experiment))
    error_message = "The experiment's name is refused by Vertex AI; use 4 to 128 small letters, digits and hyphens."
  }
}

variable "vertex_endpoints" {
  description = "Vertex AI endpoints: name to the number by which Google knows it."
  type        = map(string)
  default     = {}
}

variable "network_range" {
  description = "Addresses of the subnet."
  type        = string
  default     = "10.10.0.0/20"
}

variable "steps_in_network" {
  description = "Whether steps reach private addresses of the network. They reach Google's APIs and the internet without."
  type        = bool
  default     = false
}

variable "keep_requests_days" {
  description = "How long what users wrote is kept (days)."
  type        = number
  default     = 180
  validation {
    condition     = var.keep_requests_days >= 7 && var.keep_requests_days <= 3650
    error_message = "What users wrote is kept for 7 to 3650 days: monitoring compares windows, and nobody needs it for ever."
  }
}

variable "alert_emails" {
  description = "Whom alerts are sent to."
  type        = set(string)
}

variable "budget" {
  description = "What a month may cost before somebody is told; null for no budget."
  type        = object({ billing_account = string, amount = number, currency = optional(string, "USD") })
  default     = null
}

variable "repository" {
  description = "The one GitHub repository whose workflows are believed."
  type        = string
}

variable "repository_id" {
  description = "The repository's number, as `gh api repos/OWNER/NAME --jq .id` prints it."
  type        = string
}

variable "refs" {
  description = "Protected refs whose workflows push images."
  type        = list(string)
  default     = ["refs/heads/main"]
}
