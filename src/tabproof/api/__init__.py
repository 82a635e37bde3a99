"""Python's way in: `tabproof.train`, runs as objects, and what notebooks show of them."""
