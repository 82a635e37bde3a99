"""Words for numbers of things and for parameters, the same in logs, displays and pictures."""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

# Those in which pages and pictures are written.
LANGUAGES = ("en", "ja")


def counted(number: int, what: str) -> str:
    """Word a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def value_in_words(value: Any) -> str:
    """Word a value in one line of letters that can be printed; of an estimator the kind."""
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.4g}"
    return _printable(type(value).__name__ if hasattr(value, "get_params") else str(value))


def _printable(text: str) -> str:
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Leave out the steps that a parameter belongs to, as far as names still differ."""
    names = list(names)
    endings = [ending for name in names for ending in _endings(name)]
    return {
        name: next((ending for ending in _endings(name) if endings.count(ending) == 1), name)
        for name in names
    }


def _endings(name: str) -> list[str]:
    parts = name.split("__")
    return ["__".join(parts[-n:]) for n in range(1, len(parts) + 1)]


def params_in_words(params: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Word parameters in one line; names: what to call them, by default as short as can be."""
    names = short_names(params) if names is None else names
    worded = (
        f"{_printable(names[name])} {value_in_words(value)}" for name, value in params.items()
    )
    return ", ".join(worded) or "defaults"
