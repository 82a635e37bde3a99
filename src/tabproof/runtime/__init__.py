"""How a run is carried out: threads, workers, progress, interruption. Never what comes out.

Importing this package loads no numeric library: thread limits must be set before one is.
"""
