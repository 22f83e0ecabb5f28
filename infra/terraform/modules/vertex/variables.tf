variable "project" {
  description = "Project in which graphs run."
  type        = string
}

variable "region" {
  description = "Where endpoints answer."
  type        = string
}

variable "labels" {
  description = "Labels of every endpoint."
  type        = map(string)
  default     = {}
}

variable "key" {
  description = "Key of Cloud KMS that encrypts what is deployed."
  type        = string
}

variable "members" {
  description = "The accounts lifecycle, release, monitor, submit and serve, as members of a policy."
  type        = object({ lifecycle = string, release = string, monitor = string, submit = string, serve = string })
}

variable "approvers" {
  description = "Who rolls back, and so moves aliases: name to the person, as a member of a policy."
  type        = map(string)
  default     = {}
}

variable "developers" {
  description = "Who ends runs: a group, as a member of a policy."
  type        = string
}

variable "endpoints" {
  description = "Vertex AI endpoints: name to the number by which Google knows it. One that nothing is deployed to costs nothing."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for number in values(var.endpoints) : can(regex("^[1-9][0-9]{0,9}$", number))])
    error_message = "Google knows an endpoint by a number; write one of at most ten digits that does not begin with 0."
  }
}
