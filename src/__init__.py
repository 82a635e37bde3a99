"""The training side: from YAML to a complete, reproducible run."""
