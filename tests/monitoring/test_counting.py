"""Counts by SQL are those of numpy, for every kind of column, by day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.monitoring.counting import Counted, Window, count_run, names_of_bins, parsed_warnings
from tabproof.monitoring.database import open_table, opened
from tabproof.steps.reference import make_reference

N = 300
START = datetime(2026, 11, 1, 20, tzinfo=UTC)


def drawn(seed: int) -> pd.DataFrame:
    """Return a column of each kind, with missing cells, and numbers that are often equal."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D")
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=N).round(1),
            "gain": np.where(rng.random(N) < 0.8, 0.0, rng.lognormal(size=N)),
            "since": days.astype("datetime64[us]"),
            "note": ["x" * n for n in rng.integers(0, 40, N)],
            'a "b"': pd.Categorical(rng.choice(["a", "b", "c'd"], N)),
        }
    ).astype({"note": "str"})
    return frame.mask(rng.random(frame.shape) < 0.1)


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Any]:
    """Return what counts a logged frame in the bins of another one."""

    def count(rows: pd.DataFrame, times: list[datetime], **columns: pa.Array) -> Counted | None:
        trained = drawn(0)
        y = np.arange(N) % 2
        reference = make_reference(trained, y, ["no", "yes"], np.full((N, 2), 0.5))
        n = len(rows)
        content = {
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "run_id": ["feed"] * n,
            "role": ["champion"] * n,
            "label": ["yes"] * n,
            "warnings": pa.array([None] * n, pa.string()),
            "proba_no": np.linspace(0, 1, n),
            "proba_yes": 1 - np.linspace(0, 1, n),
            **{f"x_{name}": pa.array(cells, from_pandas=True) for name, cells in rows.items()},
            **columns,
        }
        path = tmp_path / "1.parquet"
        pq.write_table(pa.table(content), path)
        with opened() as connection:
            table, _ = open_table(connection, "predictions", [str(path)])
            assert table is not None
            return count_run(table, "feed", Window(0, 2**62), reference)

    return count


def test_counts_are_those_of_numpy(counted: Any) -> None:
    rows = drawn(1)
    rows.loc[:1, "size"] = [np.inf, -np.inf]
    # From 20 o'clock on, so that days end within the rows.
    times = [START + timedelta(minutes=7 * i) for i in range(N)]
    found = counted(rows, times)
    daily = found.daily
    assert daily.days == tuple(date(2026, 11, day) for day in (1, 2, 3))
    day_of = np.array([(moment.date() - date(2026, 11, 1)).days for moment in times])
    assert daily.n_rows.tolist() == np.bincount(day_of).tolist()
    reference = make_reference(drawn(0), np.arange(N) % 2, ["no", "yes"], np.full((N, 2), 0.5))
    for column in reference.columns:
        cells = rows[column.name]
        n_bins = len(list(names_of_bins(column)))
        if column.kind == "category":
            place_of = {name: place for place, name in enumerate(column.categories)}
            places = cells.astype(object).map(place_of).fillna(n_bins - 1)
        else:
            values = {
                "number": lambda cells: cells,
                "date": lambda cells: cells.astype("int64"),
                "text": lambda cells: cells.str.len(),
            }[column.kind](cells)
            places = pd.Series(np.searchsorted(np.array(column.edges), values.to_numpy()))
            places = places.where(cells.notna(), n_bins - 1)
        expected = np.zeros((3, n_bins), np.int64)
        np.add.at(expected, (day_of, places.to_numpy(np.int64)), 1)
        np.testing.assert_array_equal(daily.columns[column.name], expected)
    assert daily.labels["yes"].sum() == N
    for label in ("no", "yes"):
        assert daily.probabilities[label].sum() == N
        # Edges belong to the lower bin, and 0 and 1 to the outer ones.
        assert daily.probabilities[label].shape == (3, 20)
    assert found.left_out == []


def test_a_column_of_another_kind_is_left_out(counted: Any) -> None:
    rows = drawn(1)[:40]
    times = [START] * 40
    found = counted(rows.drop(columns="since"), times, x_since=pa.array(np.ones(40)))
    assert "since" not in found.daily.columns
    assert [each.reason for each in found.left_out] == [
        "it is logged as double, and was a date in training"
    ]


def test_a_run_without_rows_has_no_counts(counted: Any) -> None:
    assert counted(drawn(1)[:0], []) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ()),
        ("[]", ()),
        ('["unseen_category:a:b","strange"]', (("unseen_category", "a:b"), ("strange", ""))),
        ('["x:a","x:a"]', (("x", "a"),)),
        ("not JSON", (("unreadable", ""),)),
        ("{}", (("unreadable", ""),)),
    ],
)
def test_warnings_are_codes_and_columns(content: str | None, expected: object) -> None:
    assert parsed_warnings(content) == expected
