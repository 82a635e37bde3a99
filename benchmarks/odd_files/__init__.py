"""Small odd files, written by code with fixed seeds, and what should come of each.

The kinds are those of public bug reports about reading tables and training on them. Nothing here
imports tabproof: the files say what is true of them, whoever reads them.
"""

from benchmarks.odd_files.making import OddFile, Truth, group_titles, make_files

__all__ = ["OddFile", "Truth", "group_titles", "make_files"]
