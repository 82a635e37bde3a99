"""Tiny tables, and files of them."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from tabproof.data import Table, load_file
from tabproof.data.column import Reading
from tabproof.data.columns import type_columns
from tabproof.data.table import make_table
from tabproof.data.target import TargetReading
from tabproof.schema import Treatment

# Half as many examples as the profile asks for: each of them makes several tables.
half = settings(max_examples=settings.default.max_examples // 2)


def csv(directory: Path, content: str | bytes, name: str = "t.csv", **options: Any) -> Table:
    """Write a file and load it; its target is y unless said."""
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_file(str(path), **{"target": "y", **options})


def parquet(directory: Path, frame: pd.DataFrame, **options: Any) -> Table:
    """Write a frame and load it; its target is y unless said."""
    path = directory / "t.parquet"
    frame.to_parquet(path)
    return load_file(str(path), **{"target": "y", **options})


def table(columns: dict[str, Any], *, is_text: bool = False, **spec: Any) -> Table:
    """Make a table of columns; its target is y unless said. is_text : as from a CSV."""
    source: Any = pa.table(columns) if is_text else pd.DataFrame(columns)
    reading = {f.name: spec.pop(f.name) for f in fields(Reading) if f.name in spec}
    of_target = {
        f.name: spec.pop(f.name)
        for f in fields(TargetReading)
        if f.name in spec and f.name not in ("pos_label", "na_values")
    }
    return make_table(
        "tiny",
        source,
        **{"target": "y", **spec},
        is_text=is_text,
        reading=Reading(**reading),
        of_target=TargetReading(**of_target),
    )


def typed(frame: pd.DataFrame, **kinds: str) -> pd.DataFrame:
    """Return the columns of a frame as training reads them, none left out."""
    reading = Reading(kinds=kinds)
    return type_columns(frame, frame.index, reading, is_text=False, divides=True).X


def codes_of(made: Table) -> list[str]:
    """Return the codes of a table's treatments, without those about the positive label."""
    return [t.code for t in made.treatments if not t.code.startswith("pos_label")]


def treatment(made: Table, code: str) -> Treatment:
    """Return the treatment with this code."""
    (found,) = (each for each in made.treatments if each.code == code)
    return found


# Rows of a table of one column, its target, and another column.
N = 40
TARGET = ["u", "v"] * (N // 2)
FILL = [f"w{i % 3}" for i in range(N)]


def of_text(cells, **spec):
    """Make a table of one column x as a CSV gives it, and another one; repeat the cells."""
    repeated = [cells[i % len(cells)] for i in range(N)]
    return table({"x": repeated, "fill": FILL, "y": TARGET}, is_text=True, **spec)


def kind(made, name="x"):
    """Return the kind of a column; None if it was left out."""
    if name not in made.X.columns:
        return None
    dtype = made.X[name].dtype
    names = {"float64": "number", "datetime64[us]": "date", "category": "category", "str": "text"}
    return names[str(dtype)]


def labelled(codes: Sequence[int], **non_features: Sequence[Any]) -> Table:
    """Make a table whose rows have these classes, c0, c1, …; the rest divides them."""
    columns = {"a": np.arange(len(codes)), **non_features, "y": [f"c{code}" for code in codes]}
    return table(columns, non_features=list(non_features))


# Words that no reader of CSV takes for numbers, booleans, or missing cells.
words = st.text("bcdghäあ漢 -'\",;", min_size=1, max_size=5).map(lambda word: f"w{word}x")
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a frame of whole numbers, decimals with gaps, words with gaps, and a target y.

    Every column has two values at least, and every class two rows.
    """
    n = draw(st.integers(4, 12))
    column = st.lists
    whole = draw(column(st.integers(-(2**53), 2**53), min_size=n, max_size=n))
    decimal = draw(column(st.none() | numbers, min_size=n, max_size=n))
    word = draw(column(st.none() | words, min_size=n, max_size=n))
    whole[:2], decimal[:2], word[:2] = [0, 1], [0.5, 1.5], ["wax", "wox"]
    classes = ["no", "yes", "no", "yes", *draw(column(words, min_size=n - 4, max_size=n - 4))]
    return pd.DataFrame(
        {
            "whole": whole,
            "decimal": pd.Series(decimal, dtype="float64"),
            "word": pd.Series(word, dtype="object"),
            "y": classes,
        }
    )
