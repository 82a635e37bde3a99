"""Options of a request: the parameters of its query, and truth values in them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qs

from tabproof.errors import printable, suggested
from tabproof.service.answers import RefusedError
from tabproof.service.settings import FALSE, TRUE


def read_query(query: bytes, names: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a query; refuse those that are not in names, or given twice."""
    found = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, values in found.items():
        shown = printable(name, 60)
        if name not in names:
            nearest = suggested(get_close_matches(name.lower(), names, n=1))
            reason = f"there is no parameter '{shown}'{nearest}"
            raise RefusedError(422, f"{reason}; this path takes {' and '.join(names)}")
        if len(values) > 1:
            raise RefusedError(422, f"the parameter {shown} is given twice")
    return {name: values[0] for name, values in found.items()}


def read_flag(name: str, value: Any) -> bool:
    """Return the value of an option: a truth value, or a word for one."""
    word = value.lower() if isinstance(value, str) else value
    if word not in (True, False, *TRUE, *FALSE):
        raise RefusedError(422, f"{name} takes true or false")
    return word in (True, *TRUE)
