"""The steps, one folder a stage, one folder a step.

Stages do not import each other: they meet in artifacts. What every step shares is in ``core``.
"""
