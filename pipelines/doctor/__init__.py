"""``sluice doctor``: whether an environment is fit to be used, looked at from the machine that submits.

A file a kind of thing; each gives ``Check``s for an environment, and ``examine`` carries them out.
"""
