"""Train a run again from its own directory, and compare: `python -m src.replay latest`."""

from tabproof.replay.command import main

if __name__ == "__main__":
    main()
