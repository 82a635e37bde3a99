"""AutoML systems side by side on public tables: the parts of `python -m benchmarks.quality`."""
