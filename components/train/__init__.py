"""From tokens to a model that others can load: base, finetune, export.

What trains here can neither sign nor release.
"""
