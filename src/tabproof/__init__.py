"""Reproducible experiments for tabular classification, and the service their models run in."""
