"""The log of what was predicted: its layout, its files and the threads that write them.

`layout` has the names that writers and readers share, and imports nothing else of the package.
"""
