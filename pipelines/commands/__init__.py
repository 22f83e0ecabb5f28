"""The commands of ``sluice``, by what a person wants: to work, to look, to make something new."""
