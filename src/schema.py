"""Print the JSON Schema of conf/, or write it for editors: `python -m src.schema`."""

from tabproof.cli import main

if __name__ == "__main__":
    main("schema")
