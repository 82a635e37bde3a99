"""Train a run again from its own directory, and compare: `python -m src.replay latest`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("replay")
