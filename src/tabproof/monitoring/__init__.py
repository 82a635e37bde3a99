"""Watch a served model: read its log, compare it with the run, and report what changed.

DuckDB reads the log (extra `monitor`), one column at a time and in bounded memory, so a log may be
larger than the memory of the machine.
"""
