"""How a run is executed: threads, workers, clusters, progress, interruption. Never its numbers.

Importing this package loads no numeric library: thread limits must be set before.
"""
