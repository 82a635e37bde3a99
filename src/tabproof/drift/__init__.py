"""Evidence that rows are no longer as in training, from counts of bins.

The service looks at a canary with it, and `monitoring` at a log.
"""
