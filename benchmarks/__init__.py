"""Speed and quality against peers, each a command that prints a table. No number here is asserted in a test."""
