"""What is read of Terraform: its outputs become an environment file, its plan says who can reach what."""

OUTPUT = "sluice_environment"
"""The output of ``infra/terraform/envs/*`` that says all that an environment file does."""
