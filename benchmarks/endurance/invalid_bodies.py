"""Invalid bodies: generated JSON, and JSON with one error in it."""

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from benchmarks.adult import Row
from benchmarks.endurance.raw import PATHS, post

# Values as a body has them, which json.dumps refuses or never writes.
TOKENS = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "-0.0", "0x10", "01", "1.",
    ".5", "+1", "1_000", "True", "None", "undefined", "null", "true", "''", "[]", "{}", "[[[[]]]]",
    '{"a": 1}', "9223372036854775808", "-9223372036854775809", "1e308", "5e-324", "", '"1"',
    '"nan"', '"\\"', '"</script>"', '"%s%n"', '"\\ud800"', '"\\u0000"', '"\\x00"', '"\x00"',
    '"\x7f"', '"\u202e"', '"🦀"', "1,2", '1}, "x": {"y": 1', "1" * 400, "9" * 5000,
    '"' + "a" * 100_000 + '"',
)  # fmt: skip

CELLS = st.none() | st.integers(-99, 99) | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    CELLS | st.booleans() | st.integers(min_value=-(10**400), max_value=10**400),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)


def generated(row: Row) -> st.SearchStrategy[tuple[str, Any]]:
    """Return a path and a content: a row with arbitrary values in some columns, or any JSON."""
    names = st.sampled_from(list(row)) | st.text(max_size=10)
    # Mostly valid cells, so that the scorer is reached.
    cells = CELLS | CELLS | CELLS | JSON
    rows = st.dictionaries(names, cells, max_size=3).map(lambda changes: {**row, **changes})
    one = rows.map(lambda changed: {"features": changed})
    several = st.lists(rows, max_size=3).map(lambda changed: {"rows": changed})
    keys = {"features": JSON, "rows": JSON | st.lists(rows | JSON), "run_id": JSON}
    anything = st.fixed_dictionaries({}, optional=keys) | JSON | one | several
    return (
        st.tuples(st.just("/predict"), one)
        | st.tuples(st.just("/predict_batch"), several)
        | st.tuples(st.sampled_from(PATHS), anything)
    )


def mutated(row: Row, chance: random.Random) -> bytes:
    """Return a request with a valid head and an invalid body."""
    text = json.dumps({"features": row} if chance.random() < 0.7 else {"rows": [row, row]})
    return post(chance.choice(PATHS), chance.choice(MUTATIONS)(text, row, chance))


Mutation = Callable[[str, Row, random.Random], bytes]


def _flip(text: str, _: Row, chance: random.Random) -> bytes:
    content = bytearray(text.encode())
    for _bit in range(chance.randrange(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _cut(text: str, _: Row, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text))].encode()


def _splice(text: str, _: Row, chance: random.Random) -> bytes:
    start, end = sorted((chance.randrange(len(text)), chance.randrange(len(text))))
    return (text[:end] + text[start:]).encode()


def _replace_value(text: str, row: Row, chance: random.Random) -> bytes:
    name = chance.choice(list(row))
    value = f'"{name}": {json.dumps(row[name])}'
    return text.replace(value, f'"{name}": {chance.choice(TOKENS)}').encode(errors="surrogatepass")


def _repeat_key(text: str, row: Row, chance: random.Random) -> bytes:
    name = chance.choice(list(row))
    return text.replace(f'"{name}":', f'"{name}": {chance.choice(TOKENS)}, "{name}":').encode()


def _insert_bytes(text: str, _: Row, chance: random.Random) -> bytes:
    content, position = text.encode(), chance.randrange(len(text))
    return content[:position] + chance.randbytes(chance.randrange(1, 9)) + content[position:]


def _encode(text: str, _: Row, chance: random.Random) -> bytes:
    return text.encode(chance.choice(["utf-8-sig", "utf-16", "utf-32-be", "utf-7", "cp037"]))


def _rename(text: str, row: Row, chance: random.Random) -> bytes:
    name = chance.choice([*row, "features", "rows"])
    return text.replace(
        f'"{name}"', chance.choice(['"__class__"', '""', '"\\ud800"', "1"])
    ).encode()


MUTATIONS: tuple[Mutation, ...] = (
    _flip, _cut, _splice, _replace_value, _replace_value, _repeat_key, _insert_bytes, _encode,
    _rename,
)  # fmt: skip
