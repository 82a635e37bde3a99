"""Look at a table and write its configuration: `python -m src.init my.csv`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("init")
