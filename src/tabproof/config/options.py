"""How a key of conf/ is declared: its explanation, its default, and the values that it takes."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, TypeVar, dataclass_transform

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

T = TypeVar("T")

# By group and name, the class of what a file of conf/<group>/ can be.
GROUPS: dict[str, dict[str, type]] = {}
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"\s*(?=.*[1-9])(?:\d+(?:\.\d+)?[smhd])+\s*"


def seconds_of(text: str) -> float | None:
    """Return the seconds of a duration such as 90s or 1h30m; None if it is not one above zero."""
    if re.fullmatch(DURATION, text) is None:
        return None
    return sum(float(n) * UNIT_SECONDS[unit] for n, unit in re.findall(r"([\d.]+)(\w)", text))


@dataclass(frozen=True)
class Allowed:
    """The values that a key takes; as a text, what error messages and the documentation show.

    Bounds that are `int` allow whole numbers only. choices: for a list, what each element may be.
    also: further valid values. pattern: of a text, described by words.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: Sequence[Any] = ()
    also: Sequence[Any] = ()
    unit: str = ""
    pattern: str = ""
    words: str = ""

    def __contains__(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        if any(value == other and type(value) is type(other) for other in self.also):
            return True
        if self.pattern:
            return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None
        bounds = ((ge, self.ge), (gt, self.gt), (le, self.le), (lt, self.lt))
        is_float = any(isinstance(bound, float) for _, bound in bounds)
        if isinstance(value, bool) or not isinstance(value, (int, float) if is_float else int):
            return False
        held = all(bound is None or holds(value, bound) for holds, bound in bounds)
        return held and isfinite(value)

    def __str__(self) -> str:
        if self.words or self.choices:
            return self.words or f"one of {', '.join(map(str, self.choices))}"
        if self.ge is not None and self.le is not None:
            text = f"from {self.ge:.10g} to {self.le:.10g}"
        elif self.ge is not None:
            text = f"{self.ge:.10g} or more"
        elif self.lt is not None:
            text = f"between {self.gt:.10g} and {self.lt:.10g}"
        else:
            text = f"more than {self.gt:.10g}" + (f", at most {self.le:.10g}" if self.le else "")
        if self.also:
            text = f"{', '.join(map(str, self.also))}, or {text}"
        return f"{text} {self.unit}".rstrip()


def option(
    doc: str,
    default: Any = MISSING,
    *,
    decides_numbers: bool = True,
    is_ordered: bool = False,
    literal: str = "",
    **allowed: Any,
) -> Any:
    """Declare a key with its explanation, and with what `Allowed` takes.

    decides_numbers: False keeps the key out of the run id: no number depends on it.
    is_ordered: entries of the dictionary in another order make something else.
    literal: the command line takes its texts as they stand, whatever characters they hold: `data`
    for texts that come from data; `path` for a location, in which `${…}` may name another key.
    """
    metadata = {
        "doc": doc,
        "decides_numbers": decides_numbers,
        "is_ordered": is_ordered,
        "literal": literal,
        "allowed": Allowed(**allowed) if allowed else None,
    }
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# A key that is no part of the run id.
neutral = partial(option, decides_numbers=False)
# A key for names of columns, labels or cells.
of_data = partial(option, literal="data")


def range_errors(node: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """Find values that their keys do not take; yield key, value, and the values that it takes."""
    for f in fields(node):
        key, value, allowed = f"{path}{f.name}", getattr(node, f.name), f.metadata["allowed"]
        if is_dataclass(value):
            yield from range_errors(value, f"{key}.")
        elif allowed is None or (value is None and f.default is None):
            continue
        elif isinstance(value, list):
            if wrong := [each for each in value if each not in allowed]:
                yield key, wrong, str(allowed)
        elif value not in allowed:
            yield key, value, str(allowed)


@dataclass_transform()
def choice(group: str, name: str) -> Callable[[type[T]], type[T]]:
    """Make a dataclass of a class, and register it with Hydra.

    Files of conf/<group>/ name it first in their defaults: `- /schema/<group>@_here_: <name>`.
    """

    def register(cls: type[T]) -> type[T]:
        node = GROUPS.setdefault(group, {})[name] = dataclass(cls)
        ConfigStore.instance().store(group=f"schema/{group}", name=name, node=node)
        return node

    return register
