"""Watching what serves: observe, describe, drift, retraining (decides and signs), ask.

It reads the request log and writes into the store; it can sign that a retraining is due, and nothing else.
"""
