"""The steps of a run: check, search, decide, evaluate, report."""
