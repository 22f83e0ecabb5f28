"""What every step shares: the store, the contracts that pass between steps, and the one way a step runs.

Nothing here imports kfp, a cloud SDK or a machine-learning library.
"""
