"""Train a run again from its own directory, and show what differs.

Importing this package loads no numeric library: their threads are limited first.
"""
