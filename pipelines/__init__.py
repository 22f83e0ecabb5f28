"""Graphs (one file each), recipes, environments, backends, and the command line.

A recipe says what, an environment says where; a graph is compiled for both.
"""
