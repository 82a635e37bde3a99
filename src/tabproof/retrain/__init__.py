"""Train a promoted model again with newer rows, and promote the new run if it is better."""
