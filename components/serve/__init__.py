"""What serves, not steps but a runtime: supervisor, router (Envoy), gateway, request log, model server.

The supervisor brings the world to what the endpoint state says and writes what it observed beside it.
"""
