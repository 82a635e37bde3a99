"""Options of batch scoring, from words of the form key=value."""

import codecs
import csv
import difflib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tabproof.errors import (
    InvalidValueError,
    MissingValueError,
    OverrideSyntaxError,
    UnknownKeyError,
)
from tabproof.reading import AUTO
from tabproof.runtime import SCHEDULER_ADDRESS

LARGEST = 10_000_000


@dataclass(frozen=True)
class Options:
    """Options of one command. `keep`: None for all columns."""

    input: str
    output: str
    run: str = "latest"
    keep: tuple[str, ...] | None = ()
    bad_rows: Path | None = None
    explain: bool = False
    strict: bool = False
    separator: str = AUTO
    encoding: str = AUTO
    decimal: str = "."
    batch_rows: int | None = None
    workers: int | None = None
    runtime: str = "local"
    address: str | None = None
    progress: bool = True
    outputs: Path = Path("outputs")
    models: Path = Path("models")


def parse(words: Sequence[str]) -> Options:
    """Parse the command line; raise an error that names the valid values."""
    keys = [field.name for field in fields(Options)]
    given: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise OverrideSyntaxError(word)
        if key not in keys:
            raise UnknownKeyError(key, difflib.get_close_matches(key, keys, n=2))
        given[key] = _read(key, text)
    for key in ("input", "output"):
        if key not in given:
            raise MissingValueError(key, "…")
    options = Options(**given)
    is_cluster = options.runtime == "dask"
    if is_cluster and options.address is None:
        raise MissingValueError("address", "tcp://host:8786")
    for key, is_wrong, valid in (
        ("workers", is_cluster and options.workers is not None, "nothing beside runtime=dask"),
        ("address", options.address is not None and not is_cluster, "runtime=dask beside it"),
        ("decimal", options.decimal == options.separator, "another letter than separator"),
    ):
        if is_wrong:
            raise InvalidValueError(key, getattr(options, key), valid)
    return options


def _read(key: str, text: str) -> Any:
    match key:
        case "explain" | "strict" | "progress":
            valid = "true or false"
            if text in ("true", "false"):
                return text == "true"
        case "batch_rows" | "workers":
            valid = f"a whole number from 1 to {LARGEST:,}"
            if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= LARGEST:
                return int(text)
        case "runtime":
            valid = "local or dask"
            if text in ("local", "dask"):
                return text
        case "address":
            valid = "what dask scheduler prints, such as tcp://host:8786"
            if SCHEDULER_ADDRESS.fullmatch(text):
                return text
        case "separator":
            valid = "one letter, such as , ; or '\\t', or auto"
            if text == AUTO:
                return text
            letter = "\t" if text == "\\t" else text
            if len(letter) == 1 and letter.isascii() and letter not in '"\r\n\0':
                return letter
        case "decimal":
            valid = "'.' or ','"
            if text in (".", ","):
                return text
        case "encoding":
            valid = "an encoding, such as utf-8 or cp932, or auto"
            if text == AUTO:
                return text
            with suppress(LookupError):
                codecs.getincrementaldecoder(text)
                # base64 and the like decode to bytes, not text.
                "".encode(text)
                return text
        case "keep":
            valid = "all, none, or names, each once: keep=id,name"
            if text in ("all", "none"):
                return None if text == "all" else ()
            inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
            names = next(csv.reader([inner], skipinitialspace=True), [])
            if all(names) and len(set(names)) == len(names):
                return tuple(names)
        case _:
            valid = "a text"
            if text and "\0" not in text:
                is_path = key in ("bad_rows", "outputs", "models")
                return Path(text).expanduser() if is_path else text
    raise InvalidValueError(key, text, valid)
