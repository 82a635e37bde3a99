"""Score files with a trained model: `python -m src.score input=in.parquet output=out.parquet`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("score")
