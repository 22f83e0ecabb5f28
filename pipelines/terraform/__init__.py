"""What is read of Terraform: its outputs become an environment file, its plan says who can reach what."""
