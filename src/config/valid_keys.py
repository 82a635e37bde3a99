"""Every key that conf/ may hold, and which of them somebody may have meant."""

from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from src.config.schema import GROUPS, TrainConfig
from src.errors import KeyOfOtherChoiceError, UnknownKeyError

CONF = Path(__file__).parents[2] / "conf"


@cache
def valid_keys() -> tuple[str, ...]:
    """List every key with its path: `seed`, `search.n_splits`, …."""
    return tuple(dict.fromkeys(_keys()))


def _keys() -> Iterator[str]:
    for f in fields(TrainConfig):
        yield f.name
        for schema in GROUPS.get(f.name, {}).values():
            yield from (f"{f.name}.{inner.name}" for inner in fields(schema))


def unknown_key(key: str) -> UnknownKeyError:
    """Word the error for a key that this configuration has not."""
    if key in valid_keys():
        return KeyOfOtherChoiceError(key, _choices_with(key))
    return UnknownKeyError(key, nearest_keys(key))


def _choices_with(key: str) -> list[str]:
    """List the choices, such as `cv=grouped`, whose schema has a key."""
    group, _, name = key.rpartition(".")
    schemas = [
        schema
        for schema, node in GROUPS[group].items()
        if name in {inner.name for inner in fields(node)}
    ]
    return [
        f"{group}={path.stem}"
        for path in sorted((CONF / group).glob("*.yaml"))
        for schema in schemas
        if f"/schema/{group}@_here_: {schema}\n" in path.read_text(encoding="utf-8")
    ]


def nearest_keys(key: str) -> list[str]:
    """Find what a misspelt key may have meant, best first."""
    group, _, name = key.rpartition(".")
    whole = get_close_matches(key, valid_keys(), n=2, cutoff=0.7)
    by_name: dict[str, list[str]] = {}
    for valid in valid_keys():
        by_name.setdefault(valid.rpartition(".")[2], []).append(valid)
    # `test_size` for `cv.test_size`, `serach.x` for `search`.
    same_name = [k for n in get_close_matches(name, by_name, n=1, cutoff=0.8) for k in by_name[n]]
    top = key.split(".")[0]
    same_group = get_close_matches(top, [f.name for f in fields(TrainConfig)], n=1, cutoff=0.7)
    siblings = [k for k in valid_keys() if group and k.startswith(f"{group}.")]
    found = [*whole, *same_name] or same_group or siblings
    return list(dict.fromkeys(found))[:3] or [f.name for f in fields(TrainConfig)]
