"""The words of a command line, as Hydra's grammar has them.

Texts that come from data (names of columns, labels, cells) are taken as they stand: the shell's
quotes are enough, and others are needed only around a name with a comma. Hydra's grammar would take
`y,z` for two values, `1e3` for a number and `${y}` for another key, and outside quotes it knows no
letters beyond ASCII.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin
from urllib.parse import quote, unquote

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString
from hydra.errors import HydraException

from tabproof.conf_files import choices, escaped
from tabproof.config.data_schema import ColumnType, FileDatasetConfig
from tabproof.config.options import GROUPS
from tabproof.config.schema import TrainConfig
from tabproof.errors import InvalidValueError, UserError

MULTIRUN_FLAGS = {"-m", "--multirun"}
# With these, other files than those of conf/ are composed.
CONFIG_FLAGS = {"--config-path", "--config-name", "--config-dir", "-cp", "-cn", "-cd"}
COLUMN_TYPES = "dataset.column_types"
# Begins a key that is percent-encoded: Hydra's grammar has no quotes for keys.
ENCODED = "%%"

# A word with characters that Hydra's grammar does not know, outside quotes, in a list or not.
NON_ASCII_WORD = re.compile(r"""(?<!["'])[^\s,\[\]{}:'"=()]*[^\x00-\x7f][^\s,\[\]{}:'"=()]*""")
QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
# A part of a list, in quotes or as it stands; an entry of a dictionary.
PART = re.compile(rf"\s*(?:({QUOTED})\s*|([^,]*))(?:,|$)", re.S)
ENTRY = re.compile(rf"\s*(?:({QUOTED})|([^,]*?))\s*:\s*([^,:]*)(?:,|$)", re.S)
# Quotes that hide commas and brackets: those that begin a part.
HIDING = re.compile(rf"(?:(?<=[\[{{,])|^)\s*{QUOTED}(?=\s*(?:[\]:,]|$))", re.S)
# Hydra's ways to name the values of a sweep, besides commas.
SWEEP_FUNCTION = re.compile(r"\s*(choice|range|glob|interval|sort|shuffle|tag)\s*\(.*\)\s*", re.S)


class SeveralValuesError(UserError):
    """Several values for a key that takes one, without -m."""

    template = "{argument}: several values make a sweep, which needs -m"


class UnreadableValueError(UserError):
    """A list or a dictionary of names that cannot be read."""

    template = "{argument} cannot be read: {reason}"


def quoted(arguments: Sequence[str]) -> list[str]:
    """Write arguments in Hydra's grammar, with the meaning that docs/configuration.md states.

    Arguments that Hydra reads with that meaning are not changed.
    """
    is_sweep = bool(MULTIRUN_FLAGS & set(arguments))
    return [_as_hydra(argument, is_sweep=is_sweep) for argument in arguments]


def train_words(arguments: Sequence[str]) -> list[str]:
    """Return a command line of `train` for Hydra: `quoted`, with `dataset=file` if it is implied.

    It is if a key is given that only a file has, and nothing chooses a dataset.
    """
    words = quoted(arguments)
    keys = [word.lstrip("+~").partition("=")[0].partition("@")[0] for word in words]
    if "dataset" in keys or CONFIG_FLAGS & set(keys) or any(map(_chooses_dataset, words)):
        return words
    own = _keys_of_file()
    first = next((place for place, key in enumerate(keys) if _of_file(key, own)), None)
    if first is None or _is_file_by_default():
        return words
    # Beside the others: argparse takes no overrides on both sides of a flag.
    return [*words[:first], "dataset=file", *words[first:]]


def _of_file(key: str, own: set[str]) -> bool:
    return ".".join(key.split(".")[:2]) in own


def _keys_of_file() -> set[str]:
    others = [schema for schema in GROUPS["dataset"].values() if schema is not FileDatasetConfig]
    names = {f.name for f in fields(FileDatasetConfig)}
    names -= {f.name for schema in others for f in fields(schema)}
    return {f"dataset.{name}" for name in names}


def _chooses_dataset(word: str) -> bool:
    """Return whether a word chooses an experiment that chooses a dataset."""
    key, _, value = word.lstrip("+").partition("=")
    known = choices("experiment") if key == "experiment" else {}
    texts = (known[name].read_text("utf-8") for name in re.split(r"[,()]", value) if name in known)
    return any(re.search(r"^\s*- override /?dataset:|^dataset:", text, re.M) for text in texts)


def _is_file_by_default() -> bool:
    default = re.search(r"^\s*- dataset: (\S+)", choices("")["train"].read_text("utf-8"), re.M)
    path = choices("dataset").get(default[1]) if default else None
    return path is not None and "/schema/dataset@_here_: file" in path.read_text("utf-8")


# --- What an argument means.


def _as_hydra(argument: str, *, is_sweep: bool) -> str:
    found = re.fullmatch(r"(\+{0,2})([^-+~=][^=]*)=(.*)", argument, re.S)
    if found is None:
        return argument
    plus, key, value = found.groups()
    if key.startswith(f"{COLUMN_TYPES}."):
        # Any name may follow, with points and equal signs too; a type has neither.
        name, _, types = argument[len(f"{plus}{COLUMN_TYPES}.") :].rpartition("=")
        values: list[Any] = [_checked({_text(name): each}) for each in _parts(types)]
        return _written(argument, plus or "++", COLUMN_TYPES, values, is_sweep=is_sweep)
    kind, is_optional = _literal_keys().get(key, ("", False))
    is_left = not kind or (is_sweep and SWEEP_FUNCTION.fullmatch(value) is not None)
    if is_left or (kind == "path" and "${" in value):
        return _readable(argument)
    values = []
    for element in _elements(value) if is_sweep else [value.strip()]:
        if is_optional and element.lower() == "null":
            values.append(None)
        elif kind == "names":
            values.append(_names(argument, element))
        elif kind == "types":
            values.append(_types(argument, element))
        else:
            values.append(_text(element))
    plus = plus or ("++" if kind == "types" else "")
    return _written(argument, plus, key, values, is_sweep=is_sweep)


@cache
def _literal_keys() -> dict[str, tuple[str, bool]]:
    """Return the keys whose texts are taken as they stand: what they hold, and if null is valid."""
    found = {}
    groups = {f"{group}.": tuple(schemas.values()) for group, schemas in GROUPS.items()}
    for path, schemas in {"": (TrainConfig,), **groups}.items():
        for f in (f for schema in schemas for f in fields(schema) if f.metadata["literal"]):
            is_optional = get_origin(f.type) is UnionType and NoneType in get_args(f.type)
            plain = get_args(f.type)[0] if is_optional else f.type
            origin = get_origin(plain)
            kind = {list: "names", dict: "types"}.get(origin or str, f.metadata["literal"])
            found[f"{path}{f.name}"] = kind, is_optional
    return found


def _text(word: str) -> str:
    """Return a text as it stands, without quotes around all of it."""
    word = word.strip()
    if not re.fullmatch(QUOTED, word, re.S):
        return word
    # In quotes a backslash is one, except before such a quote, and before what would be another
    # key in Hydra's grammar.
    text = re.sub(rf"(\\+)({word[0]}|$)", lambda m: m[1][: len(m[1]) // 2] + m[2], word[1:-1])
    return re.sub(r"\\((?:\\\\)*)\$\{", lambda m: m[1][: len(m[1]) // 2] + "${", text)


def _parts(text: str) -> list[str]:
    """Return what commas separate, each without its quotes; what is empty is left out."""
    found = (_text(part[1] or part[2]) for part in PART.finditer(text))
    return [each for each in found if each]


def _masked(text: str) -> str:
    return HIDING.sub(lambda found: "_" * len(found[0]), text)


def _elements(text: str) -> list[str]:
    """Return the values of a sweep: what commas separate outside quotes and brackets."""
    ends, depth = [-1], 0
    for place, letter in enumerate(_masked(text)):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            ends.append(place)
    pairs = zip(ends, [*ends[1:], len(text)], strict=True)
    return [text[start + 1 : end].strip() for start, end in pairs]


def _names(argument: str, text: str) -> list[str]:
    """Read a list of names, with or without brackets."""
    if not text.startswith("["):
        return _parts(text)
    if re.search(r"\]\s*,\s*\[", _masked(text)):
        raise SeveralValuesError(argument)
    if not text.endswith("]"):
        reason = "a list ends with ]; a name that begins with [ is put in quotes and a list"
        raise UnreadableValueError(argument, reason)
    return _parts(text[1:-1])


def _types(argument: str, text: str) -> dict[str, str]:
    """Read types by column."""
    if re.search(r"\}\s*,\s*\{", _masked(text)):
        raise SeveralValuesError(argument)
    found: dict[str, str] = {}
    inner, end = text[1:-1], 0
    while text[:1] + text[-1:] == "{}" and (entry := ENTRY.match(inner, end)) is not None:
        found |= _checked({_text(entry[1] or entry[2]): _text(entry[3])})
        end = entry.end()
    if text[:1] + text[-1:] != "{}" or inner[end:].strip():
        raise UnreadableValueError(argument, "it takes a type by column: {name: category}")
    return found


def _checked(types: dict[str, str]) -> dict[str, str]:
    for name, kind in types.items():
        if kind not in ColumnType.__members__:
            valid = f"one of {', '.join(ColumnType.__members__)}"
            raise InvalidValueError(f"{COLUMN_TYPES}.{name}", kind, valid)
    return types


# --- Words in Hydra's grammar.


def _readable(argument: str) -> str:
    """Put quotes where Hydra's grammar needs them: around Japanese, `>50K`, spaces and so on."""
    key, _, value = argument.partition("=")
    is_list = value.startswith(("[", "{"))
    attempts = [argument]
    if is_list or "," in value:
        by_word = NON_ASCII_WORD.sub(lambda word: in_quotes(word[0]), value)
        attempts.append(f"{key}={by_word}")
    if not is_list:
        attempts.append(f"{key}={in_quotes(value)}")
    for attempt in attempts:
        with suppress(HydraException):
            OverridesParser.create().parse_override(attempt)
            return attempt
    return argument


def _written(argument: str, plus: str, key: str, values: Sequence[Any], *, is_sweep: bool) -> str:
    """Return an argument with these values; as it is, if Hydra reads the same."""
    if len(values) > 1 and not is_sweep:
        raise SeveralValuesError(argument)
    if argument.startswith(f"{plus}{key}=") and "${" not in argument and _read(argument) == values:
        return argument
    return f"{plus}{key}={','.join(map(_element, values))}"


def _read(argument: str) -> list[Any]:
    """Return the values that Hydra reads, as a key for texts has them."""
    with suppress(HydraException):
        value = OverridesParser.create().parse_override(argument)._value
        return [*map(_as_texts, value.list if isinstance(value, ChoiceSweep) else [value])]
    return []


def _as_texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_texts(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_texts(each) for key, each in value.items()}
    if isinstance(value, QuotedString):
        return value.text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _element(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_element, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_encoded(key)}: {each}' for key, each in value.items())}}}"
    if value is None:
        return "null"
    return in_quotes(escaped(value))


def in_quotes(value: str) -> str:
    """Return a text in quotes of Hydra's grammar; `${` still begins another key."""
    # In Hydra's grammar a backslash is one, except before a quote.
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'


def _encoded(name: str) -> str:
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) is not None
    if is_word and name.lower() not in ("null", "true", "false", "nan", "inf"):
        return name
    return ENCODED + quote(name, safe="").replace("~", "%7E")


def decoded(name: str) -> str:
    """Return the name of a column that may have been encoded for Hydra's grammar."""
    return unquote(name.removeprefix(ENCODED)) if name.startswith(ENCODED) else name
