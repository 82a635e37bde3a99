"""Train a run again from its own directory, and show what differs; loads no numeric library."""
