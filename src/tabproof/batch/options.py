"""Options of batch scoring, from words of the form key=value."""

import codecs
import csv
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tabproof.errors import (
    InvalidValueError,
    MissingValueError,
    OverrideSyntaxError,
    UnknownKeyError,
)
from tabproof.runtime import SCHEDULER_ADDRESS

LARGEST = 10_000_000
LOCAL, DASK = "local", "dask"


@dataclass(frozen=True)
class Options:
    """Options of one command.

    Attributes
    ----------
    keep : None for all columns
    workers : None for one per core
    batch_rows : None for as many as keep memory small
    address : of the scheduler, with runtime=dask
    """

    input: str
    output: str
    run: str = "latest"
    keep: tuple[str, ...] | None = ()
    bad_rows: Path | None = None
    explain: bool = False
    strict: bool = False
    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    batch_rows: int | None = None
    workers: int | None = None
    runtime: str = LOCAL
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
        given[key] = _READERS.get(key, _some_text)(key, text)
    for key in ("input", "output"):
        if key not in given:
            raise MissingValueError(key)
    options = Options(**given)
    is_cluster = options.runtime == DASK
    if is_cluster and options.address is None:
        raise MissingValueError("address", "tcp://host:8786")
    if is_cluster and options.workers is not None:
        raise InvalidValueError("workers", options.workers, "nothing beside runtime=dask")
    if options.address is not None and not is_cluster:
        raise InvalidValueError("address", options.address, "runtime=dask beside it")
    if options.decimal == options.separator:
        raise InvalidValueError("decimal", options.decimal, "another letter than separator")
    return options


def _some_text(key: str, text: str) -> str:
    if not text or "\0" in text:
        raise InvalidValueError(key, text, "a text")
    return text


def _path(key: str, text: str) -> Path:
    return Path(_some_text(key, text)).expanduser()


def _truth(key: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidValueError(key, text, "true or false")
    return text == "true"


def _whole_number(key: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len("100000000") else 0
    if not 1 <= number <= LARGEST:
        raise InvalidValueError(key, text, f"a whole number from 1 to {LARGEST:,}")
    return number


def _runtime(key: str, text: str) -> str:
    if text not in (LOCAL, DASK):
        raise InvalidValueError(key, text, f"{LOCAL} or {DASK}")
    return text


def _address(key: str, text: str) -> str:
    if SCHEDULER_ADDRESS.fullmatch(text) is None:
        raise InvalidValueError(key, text, "what dask scheduler prints, such as tcp://host:8786")
    return text


def _separator(key: str, text: str) -> str:
    letter = "\t" if text == "\\t" else text
    if len(letter) != 1 or not letter.isascii() or letter in '"\r\n\0':
        raise InvalidValueError(key, text, "one letter, such as , ; or '\\t'")
    return letter


def _decimal(key: str, text: str) -> str:
    if text not in (".", ","):
        raise InvalidValueError(key, text, "'.' or ','")
    return text


def _encoding(key: str, text: str) -> str:
    try:
        codecs.getincrementaldecoder(text)
        # base64 and the like decode to bytes, not text.
        "".encode(text)
    except LookupError as error:
        raise InvalidValueError(key, text, "an encoding, such as utf-8 or cp932") from error
    return text


def _names(key: str, text: str) -> tuple[str, ...] | None:
    if text in ("all", "none"):
        return None if text == "all" else ()
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    names = next(csv.reader([inner], skipinitialspace=True), [])
    if not all(names) or len(set(names)) < len(names):
        raise InvalidValueError(key, text, "all, none, or names, each once: keep=id,name")
    return tuple(names)


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "keep": _names,
    "bad_rows": _path,
    "explain": _truth,
    "strict": _truth,
    "separator": _separator,
    "encoding": _encoding,
    "decimal": _decimal,
    "batch_rows": _whole_number,
    "workers": _whole_number,
    "runtime": _runtime,
    "address": _address,
    "progress": _truth,
    "outputs": _path,
    "models": _path,
}
