"""Look at runs, compare, tidy up, promote: `python -m src.runs list`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("runs")
