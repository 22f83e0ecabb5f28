variable "project" {
  description = "Project that the network is of."
  type        = string
}

variable "project_number" {
  description = "The project's number: Vertex AI names a network by it."
  type        = string
}

variable "region" {
  description = "Where the subnet lies."
  type        = string
}

variable "range" {
  description = "Addresses of the subnet."
  type        = string
  default     = "10.10.0.0/20"
  validation {
    condition     = can(cidrhost(var.range, 0)) && can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", var.range)) && try(tonumber(split("/", var.range)[1]) <= 26, false)
    error_message = "The range is no private one of 64 addresses or more, which Cloud Run needs; write one such as 10.10.0.0/20."
  }
}
