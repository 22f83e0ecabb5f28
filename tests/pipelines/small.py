"""The smallest recipe that compiles; its sources need not be there where nothing is run."""

RECIPE = """
version: 1
name: small
endpoint: helpdesk
resolve: {root: data, sources: [{path: a.jsonl}]}
train: [{finetune: {}}]
"""
