"""The gateway: one process before one model server. ``python -m components.serve.gateway CONFIG.json``."""
