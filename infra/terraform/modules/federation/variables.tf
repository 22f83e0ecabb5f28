variable "project" {
  description = "Project whose accounts workflows act as."
  type        = string
}

variable "project_number" {
  description = "The project's number: a pool's members are named by it."
  type        = string
}

variable "repository" {
  description = "The one GitHub repository whose workflows are believed."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "The repository is none of GitHub's; write OWNER/NAME."
  }
}

variable "repository_id" {
  description = "The repository's number, as `gh api repos/OWNER/NAME --jq .id` prints it."
  type        = string
  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.repository_id))
    error_message = "The repository's number is none; write what `gh api repos/OWNER/NAME --jq .id` prints."
  }
}

variable "refs" {
  description = "Protected refs whose workflows push images, such as refs/heads/main; one that ends with * is how a ref's name begins."
  type        = list(string)
  default     = ["refs/heads/main"]
  validation {
    condition     = length(var.refs) > 0 && alltrue([for ref in var.refs : can(regex("^refs/(heads|tags)/[A-Za-z0-9._/-]+\\*?$", ref))])
    error_message = "A protected ref is written whole, such as refs/heads/main or refs/tags/v*; a bare * would let every branch in."
  }
}

variable "accounts" {
  description = "E-mails of the accounts that workflows act as: ci from protected refs, plan from pull requests."
  type        = object({ ci = string, plan = string })
}

variable "state_bucket" {
  description = "Bucket of Terraform's state, as ../../bootstrap made it."
  type        = string
}
