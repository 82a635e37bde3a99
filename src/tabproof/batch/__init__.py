"""Score files of any size with a model: read, score and write in parts, in constant memory.

Needs Arrow and NumPy, not pandas.
"""
