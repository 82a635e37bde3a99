"""Rows that cannot be scored, set aside in a CSV: row, column, reason."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from src.batch.outputs import csv_line
from src.batch.scoring import Part
from src.batch.whole_files import appearing


class BadRows:
    """A file that is there only if there are any; path is None where nobody wants it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "BadRows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._path is not None and self._file is None:
            # Those of an earlier command would be taken for this one's.
            self._path.unlink(missing_ok=True)
            _scratch(self._path).unlink(missing_ok=True)
        self._stack.__exit__(kind, error, trace)

    def set_aside(self, part: Part, n_before: int) -> None:
        """Write a part's bad rows; n_before rows stand before it."""
        if self._path is None or not part.faults:
            return
        if self._file is None:
            self._file = self._stack.enter_context(appearing(self._path, _scratch(self._path)))
            self._file.write(csv_line(["row", "column", "reason"]))
        for fault in part.faults:
            self._file.write(csv_line([n_before + fault.row, fault.column, fault.reason]))


def _scratch(path: Path) -> Path:
    # Beside it, not among the parts: those may lie on another disk.
    return path.with_name(f".{path.name}.tmp")
