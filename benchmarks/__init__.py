"""Benchmarks: this project and its alternatives, measured in one run."""
