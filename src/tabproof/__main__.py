"""`python -m tabproof <command>`: the command line, wherever the package is installed."""

from tabproof.cli import main

if __name__ == "__main__":
    main()
