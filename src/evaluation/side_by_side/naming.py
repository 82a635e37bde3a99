"""What tells runs apart: the keys in which they were chosen differently."""

from collections import Counter
from collections.abc import Mapping, Sequence

Choices = Sequence[Mapping[str, str]]

MOST_COLUMNS = 6
# Of a run's id, where nothing else tells it from another.
LETTERS = 8


def differing_keys(choices: Choices) -> list[str]:
    """Give the keys that some runs chose otherwise than others, as they are first met."""
    keys = dict.fromkeys(key for each in choices for key in each)
    return [key for key in keys if len({each.get(key) for each in choices}) > 1]


def columns_of(choices: Choices) -> tuple[list[str], list[str]]:
    """Give the keys that get a column of their own, and those that share the last."""
    keys = _telling_keys(choices)
    if len(keys) <= MOST_COLUMNS:
        return keys, []
    return keys[: MOST_COLUMNS - 1], keys[MOST_COLUMNS - 1 :]


def names_of(choices: Choices, run_ids: Sequence[str]) -> list[str]:
    """Name each run in short by what it chose otherwise, and by its id where that is not enough."""
    keys = _telling_keys(choices)
    names = [", ".join(said(key, each[key]) for key in keys if key in each) for each in choices]
    times = Counter(names)
    return [
        name if name and times[name] == 1 else f"{name} {run_id[:LETTERS]}".strip()
        for name, run_id in zip(names, run_ids, strict=True)
    ]


def _telling_keys(choices: Choices) -> list[str]:
    return differing_keys(choices) if len(choices) > 1 else list(choices[0])


def said(key: str, value: str) -> str:
    """Word a choice; a value that is no word, such as a number, says nothing without its key."""
    is_word = value[:1].isalpha() and value.lower() not in {"true", "false", "null"}
    return value if is_word else f"{key.rpartition('.')[2]}={value}"
