"""The steps of a run, in order: check, search, decide, evaluate, report."""
