"""What a client may ask for: a path that truly lies under one of the roots."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from tabproof.service.errors import OutsideRootsError

MAX_LETTERS = 1024
# None of them stands in the path of a run; each is a way out of somewhere.
FORBIDDEN = ("\\", "%", "~", "://")


def beneath(text: str, roots: Sequence[Path]) -> Path:
    """Give the path that text names, which exists below a root and passes through no link.

    text: begins with a root as it is configured, or is absolute. A root itself may be a
    link: that is the operator's choice. Raises OutsideRootsError.
    """
    fault = _fault_of(text)
    if fault is not None:
        raise OutsideRootsError(text, roots, fault)
    asked = (Path.cwd() / text).parts
    for root in roots:
        if text.startswith(f"{root.name}/"):
            # As answers show it, wherever the root lies.
            below = tuple(text.split("/")[1:])
            if _is_plain(root, below):
                return root.joinpath(*below)
        # The root may hold '..', which the operator may say and a client may not.
        above = Path(os.path.abspath(root)).parts  # noqa: PTH100 - absolute() keeps it
        if len(asked) > len(above) and asked[: len(above)] == above:
            below = asked[len(above) :]
            if not _is_plain(root, below):
                raise OutsideRootsError(text, roots, "is not there, or passes through a link")
            return root.joinpath(*below)
    raise OutsideRootsError(text, roots, "lies elsewhere")


def _fault_of(text: str) -> str | None:
    if len(text) > MAX_LETTERS:
        return f"is longer than {MAX_LETTERS:,} letters"
    # Control characters, and lone surrogates, which no file name in UTF-8 has.
    if not text.isprintable():
        return "holds letters that cannot be printed"
    if any(mark in text for mark in FORBIDDEN):
        return f"holds one of {' '.join(FORBIDDEN)}"
    if {"", ".", ".."} & set(text.removeprefix("/").split("/")):
        return "holds an empty part, '.' or '..'"
    return None


def _is_plain(root: Path, below: Sequence[str]) -> bool:
    path = root
    for part in below:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except OSError:
            return False
        if not stat.S_ISDIR(mode):
            return False
    return True
