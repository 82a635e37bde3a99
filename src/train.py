"""Train one model, or sweep over many: `python -m src.train dataset=adult search=full`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("train")
