"""What an odd file is: rows with a planted signal, as they are written and as they should be read.

Each file has a seed of its own, made from its name: adding a file changes no other.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = float | str | None
ANY_KIND = ("number", "category", "date", "text", "left out")
# What a number may be taken for where nothing is read wrongly.
NOT_A_NUMBER = ("category", "date", "text", "left out")
N_ROWS = 300
# The signal alone has an AUC of about 0.95; 60 held-out rows have a standard error of 0.03.
LEAST_AUC = 0.75


@dataclass(frozen=True)
class Truth:
    """What a column should be read as.

    kinds : any of `number`, `category`, `date`, `text`, `left out`. values : of every row that is
    kept, dates as seconds since 1970, booleans as `True` and `False`; None if they are not checked.
    """

    kinds: tuple[str, ...]
    values: tuple[Value, ...] | None = None


@dataclass(frozen=True)
class OddFile:
    """A file and what should come of it.

    outcome : `trains`, `refused`, or `either`, where both are honest. reason : in the error of a
    refusal, a regular expression. says : in the log, the same. labels : of every row that is kept.
    least_auc : below it the signal was lost. words : further words of the command.
    """

    name: str
    path: str
    target: str = "y"
    group: str = ""
    outcome: str = "trains"
    columns: dict[str, Truth] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    least_auc: float | None = None
    reason: str = ""
    says: str = ""
    words: tuple[str, ...] = ()
    is_piped: bool = False


class Rows:
    """Columns as texts to write, and as values to find. `signal` decides the target, with noise."""

    def __init__(self, name: str, n: int = N_ROWS, *, noise: float = 0.3) -> None:
        self.name, self.n = name, n
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.signal: NDArray[np.float64] = self.rng.normal(size=n)
        self.is_positive = self.signal + noise * self.rng.normal(size=n) > 0
        self.texts: dict[str, list[str]] = {}
        self.truth: dict[str, Truth] = {}
        self.labels: tuple[str, ...] = ()
        self.target = "y"

    def add(
        self,
        name: str,
        texts: Sequence[str],
        values: Sequence[Value] | None = None,
        kinds: str | tuple[str, ...] = ANY_KIND,
    ) -> "Rows":
        """Add a column; values : what should be read, if that is checked."""
        self.texts[name] = list(texts)
        kinds = (kinds,) if isinstance(kinds, str) else kinds
        self.truth[name] = Truth(kinds, None if values is None else tuple(values))
        return self

    def number(self, name: str, values: Any = None, spell: Callable[[float], str] = str) -> "Rows":
        """Add numbers, noise by default, written by `spell`."""
        drawn = self.rng.normal(size=self.n) * 10 if values is None else np.asarray(values)
        numbers = [float(value) for value in np.round(drawn, 3)]
        return self.add(name, [spell(value) for value in numbers], numbers, "number")

    def category(self, name: str, choices: Sequence[str] = ("red", "green", "blue")) -> "Rows":
        """Add a category without a signal."""
        drawn = [str(value) for value in self.rng.choice(choices, size=self.n)]
        return self.add(name, drawn, drawn, "category")

    def answer(self, labels: Sequence[str] = ("no", "yes"), name: str = "y") -> "Rows":
        """Add the target: the second label where the signal is high."""
        self.texts[name] = [labels[int(positive)] for positive in self.is_positive]
        self.labels, self.target = tuple(self.texts[name]), name
        return self

    def lines(self) -> list[list[str]]:
        """Return the header and the rows, as texts."""
        return [list(self.texts), *map(list, zip(*self.texts.values(), strict=True))]

    def csv(self, separator: str = ",", end: str = "\n", **options: Any) -> str:
        """Return the rows as a delimited text."""
        return delimited(self.lines(), separator, end, **options)

    def file(self, path: Path, content: str | bytes | None, **expected: Any) -> OddFile:
        """Write the file, unless it stands there, and return it with what is expected of it."""
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        made = OddFile(
            self.name,
            str(path),
            self.target,
            columns=dict(self.truth),
            labels=self.labels,
            least_auc=LEAST_AUC,
        )
        return replace(made, **expected)


def delimited(
    lines: Sequence[Sequence[str]], separator: str = ",", end: str = "\n", **options: Any
) -> str:
    """Return lines of cells as a delimited text."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end, **options).writerows(lines)
    return text.getvalue()


def plain(name: str, n: int = N_ROWS, labels: Sequence[str] = ("no", "yes")) -> Rows:
    """Return rows without any oddity: two numbers, the first with the signal, and a category."""
    rows = Rows(name, n)
    return rows.number("x1", rows.signal).number("x2").category("c").answer(labels)


def refused(name: str, path: Path, content: str | bytes | None, reason: str) -> OddFile:
    """Write a file that no model can be made of."""
    made = OddFile(name, str(path), outcome="refused", reason=reason)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return made


# Each module has a dictionary GROUPS: title -> function of a folder that yields the files.
MODULES = ("texts", "formats", "numbers", "kinds", "targets", "refusals")


def group_titles() -> list[str]:
    """Return the titles of all groups, in order."""
    modules = (import_module(f"benchmarks.odd_files.{name}") for name in MODULES)
    return [title for module in modules for title in module.GROUPS]


def make_files(folder: Path) -> Iterator[OddFile]:
    """Write all odd files into a folder, and yield them group by group."""
    for module in MODULES:
        groups = import_module(f"benchmarks.odd_files.{module}").GROUPS
        for title, make in groups.items():
            for made in make(folder / title.replace(" ", "_")):
                yield replace(made, group=title)
