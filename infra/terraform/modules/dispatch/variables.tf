variable "project" {
  description = "Project that the dispatcher runs in."
  type        = string
}

variable "region" {
  description = "Where the dispatcher runs."
  type        = string
}

variable "labels" {
  description = "Labels of the service, its jobs and its messages."
  type        = map(string)
  default     = {}
}

variable "account" {
  description = "E-mail of the account `submit`."
  type        = string
}

variable "key" {
  description = "Key of Cloud KMS that encrypts the messages, and the image where it runs."
  type        = string
}

variable "image" {
  description = "Image by digest that `sluice dispatch` runs in."
  type        = string
  validation {
    condition     = can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The dispatcher's image is not pinned; write REGISTRY/NAME@sha256:<64 digits>, a tag can move."
  }
}

variable "config_bucket" {
  description = "Bucket that no step writes; the environment file lies in it as dispatch/environment.yaml, the recipes beside it."
  type        = string
}

variable "recipes" {
  description = "File names of the recipes that are dispatched."
  type        = list(string)
  validation {
    condition     = length(var.recipes) > 0 && alltrue([for recipe in var.recipes : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*\\.ya?ml$", recipe))])
    error_message = "A dispatcher dispatches one recipe or more; write their file names, such as helpdesk.yaml, without folders."
  }
}

variable "commands" {
  description = "Commands of `sluice` that people may start: name to the command, a recipe's file name, and options, such as {command = \"schedule\", recipe = \"helpdesk.yaml\", options = [\"--every\", \"0 3 * * *\"]}."
  type        = map(object({ command = string, recipe = optional(string), options = optional(list(string), []) }))
  default     = {}
  validation {
    condition     = alltrue([for one in values(var.commands) : contains(["run", "monitor", "schedule", "schedules", "smoke", "doctor"], one.command)])
    error_message = "A person may start run, monitor, schedule, schedules, smoke and doctor as the dispatcher; anything else is done under one's own name."
  }
  validation {
    condition     = alltrue([for one in values(var.commands) : contains(["schedules", "smoke", "doctor"], one.command) ? one.recipe == null : one.recipe == null ? false : contains(var.recipes, one.recipe)])
    error_message = "A command is about a recipe that is dispatched here; name one of `recipes`, and none for schedules, smoke and doctor."
  }
  validation {
    condition     = alltrue(flatten([for one in values(var.commands) : [for word in one.options : !startswith(word, "--env")]]))
    error_message = "A command is for this environment; leave --env out."
  }
  validation {
    condition     = alltrue([for name in keys(var.commands) : can(regex("^[a-z][a-z0-9-]{0,39}$", name)) && name != "dispatch"])
    error_message = "A command's name is a short word in small letters and hyphens, and not dispatch."
  }
}

variable "executor" {
  description = "Who may start the commands: a group, as a member of a policy."
  type        = string
}

variable "deployer" {
  description = "The account of CI."
  type        = string
}

variable "store" {
  description = "Bucket of the store, and how the names of its objects begin."
  type        = object({ bucket = string, prefix = string })
}

variable "storage_agent" {
  description = "Cloud Storage's own account in the project, which says that an object was written."
  type        = string
}

variable "protected" {
  description = "Whether the service is refused to be deleted."
  type        = bool
  default     = true
}
