"""Tiny tables, and files of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

from tabproof.data import Table, load_file
from tabproof.data.table import make_table

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


def table(columns: dict[str, Any], **spec: Any) -> Table:
    """Make a table of columns; its target is y unless said."""
    return make_table("tiny", pd.DataFrame(columns), **{"target": "y", **spec})


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
