variable "project" {
  description = "Project whose APIs are enabled."
  type        = string
}

variable "budget" {
  description = "Whether the project has a budget, which needs an API of its own."
  type        = bool
  default     = false
}
