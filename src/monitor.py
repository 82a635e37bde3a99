"""Watch served models by the log of what they predicted: `python -m src.monitor check`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("monitor")
