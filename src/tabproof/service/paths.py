"""Paths that clients may name: only real directories under one of the roots."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from tabproof.service.errors import OutsideRootsError

MAX_LENGTH = 1024
# A run's path contains none of these; each can be used to escape from a root.
FORBIDDEN = ("\\", "%", "~", "://")


def beneath(text: str, roots: Sequence[Path]) -> Path:
    """Return the existing directory below a root that text names, without following links.

    text: begins with the name of a root, or is absolute. A root itself may be a link, because the
    operator configured it. Raises OutsideRootsError.
    """
    fault = _fault_of(text)
    if fault is not None:
        raise OutsideRootsError(text, roots, fault)
    asked = (Path.cwd() / text).parts
    for root in roots:
        if text.startswith(f"{root.name}/"):
            # The form in which responses show paths.
            below = tuple(text.split("/")[1:])
            if _is_plain(root, below):
                return root.joinpath(*below)
        # A configured root may contain '..'; a client's path may not.
        above = Path(os.path.abspath(root)).parts  # noqa: PTH100 - absolute() keeps it
        if len(asked) > len(above) and asked[: len(above)] == above:
            below = asked[len(above) :]
            if not _is_plain(root, below):
                raise OutsideRootsError(text, roots, "does not exist, or passes through a link")
            return root.joinpath(*below)
    raise OutsideRootsError(text, roots, "is not below a root")


def _fault_of(text: str) -> str | None:
    if len(text) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH:,} characters"
    # Control characters, and lone surrogates, which are not valid UTF-8.
    if not text.isprintable():
        return "has characters that cannot be printed"
    if any(mark in text for mark in FORBIDDEN):
        return f"contains one of {' '.join(FORBIDDEN)}"
    if {"", ".", ".."} & set(text.removeprefix("/").split("/")):
        return "has an empty part, '.' or '..'"
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
