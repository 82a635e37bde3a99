"""A run trained again from its own directory, and what differs.

Importing this package loads no numeric library: their threads are limited first.
"""
