"""The demo: tickets made on the spot, with all that a data step is there to find."""
