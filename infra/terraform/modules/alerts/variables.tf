variable "project" {
  description = "Project whose runs are watched."
  type        = string
}

variable "project_number" {
  description = "The project's number: a budget names it so."
  type        = string
}

variable "labels" {
  description = "Labels of every alert."
  type        = map(string)
  default     = {}
}

variable "emails" {
  description = "Whom alerts are sent to."
  type        = set(string)
  validation {
    condition     = length(var.emails) > 0 && length(var.emails) <= 5 && alltrue([for email in var.emails : can(regex("^[^@:\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "Alerts are sent to one to five e-mail addresses; write such as sluice-oncall@example.com."
  }
}

variable "trust_bucket" {
  description = "Bucket of the trust roots."
  type        = string
}

variable "budget" {
  description = "What a month may cost before somebody is told, in whole units of the billing account's currency; null for no budget. Nothing is switched off."
  type        = object({ billing_account = string, amount = number, currency = optional(string, "USD") })
  default     = null
  validation {
    condition     = var.budget == null ? true : can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "The billing account is none; write 012345-6789AB-CDEF01, as `gcloud billing accounts list` prints it."
  }
  validation {
    condition     = var.budget == null ? true : var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount
    error_message = "A month's budget is a whole number of 1 or more; leave the budget out for none."
  }
}

variable "budget_reader" {
  description = "Who reads the budget to show a plan, as a member of a policy."
  type        = string
}
