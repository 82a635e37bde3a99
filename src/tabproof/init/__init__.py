"""`tabproof init`: look at a file, propose how to learn from it, write conf/dataset/<name>.yaml."""

from tabproof.init.command import init

__all__ = ["init"]
