"""A small reference, and days of rows drawn from it or from another source."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import (
    CategoryReference,
    Histogram,
    NumberReference,
    Reference,
    TextReference,
)
from tabproof.drift.daily import Daily

# A Monday.
FIRST = date(2026, 1, 5)
N = 4000
AGE = NumberReference(name="age", edges=(20.0, 30.0, 40.0), counts=(1000,) * 4, n_missing=0)
JOB = CategoryReference(
    name="job", categories=("clerk", "cook"), counts=(2400, 1400), n_other=0, n_missing=200
)
NOTE = TextReference(name="note", edges=(10,), counts=(2000, 2000), n_missing=0)
REFERENCE = Reference(
    n_rows=N,
    columns=(AGE, JOB, NOTE),
    probabilities={
        "no": Histogram(edges=(0.3, 0.6), counts=(300, 300, 400)),
        "yes": Histogram(edges=(0.4, 0.7), counts=(400, 300, 300)),
    },
    labels={"no": 2500, "yes": 1500},
    predicted={"no": 700, "yes": 300},
)

SHARES: Mapping[str, tuple[float, ...]] = {
    "age": (0.25, 0.25, 0.25, 0.25, 0),
    "job": (0.6, 0.35, 0, 0.05),
    "note": (0.5, 0.5, 0),
    "no": (0.3, 0.3, 0.4),
    "yes": (0.4, 0.3, 0.3),
    "labels": (0.7, 0.3),
    "warned": (1, 0),
}

# Held-out rows, and shares of labelled ones, by cell: no and predicted no, no and predicted yes, …
HELD_OUT = np.array([600, 40, 100, 260])
# A fifth of the right answers are others.
OTHER_TRUTH = tuple((0.8 * HELD_OUT + 0.2 * HELD_OUT[[2, 3, 0, 1]]) / HELD_OUT.sum())


def labelled(
    n_rows: NDArray[np.int64] | list[int],
    changed_from: int | None = None,
    shares: tuple[float, ...] = OTHER_TRUTH,
    seed: int = 0,
) -> dict[date, NDArray[np.int64]]:
    """Return rows with a label by day, from FIRST on; shares : of the cells from a day on."""
    rng = np.random.default_rng(seed)
    as_held_out = HELD_OUT / HELD_OUT.sum()
    return {
        FIRST + timedelta(days=day): rng.multinomial(
            n, as_held_out if changed_from is None or day < changed_from else shares
        )
        for day, n in enumerate(n_rows)
        if n
    }


def made(
    n_rows: NDArray[np.int64] | list[int],
    changed_from: int | None = None,
    changed_until: int | None = None,
    seed: int = 0,
    first: date = FIRST,
    changes: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
) -> Daily:
    """Return days with so many rows; changes : other shares of bins from a day on."""
    rows = np.array(n_rows, dtype=np.int64)
    rng = np.random.default_rng(seed)
    is_changed = np.zeros(len(rows), dtype=bool)
    is_changed[changed_from:changed_until] = changed_from is not None
    counts = {
        name: np.where(
            is_changed[:, None],
            rng.multinomial(rows, changes.get(name, shares)),
            rng.multinomial(rows, shares),
        )
        for name, shares in SHARES.items()
    }
    return Daily(
        days=tuple(first + timedelta(days=place) for place in range(len(rows))),
        n_rows=rows,
        columns={name: counts[name] for name in ("age", "job", "note")},
        probabilities={name: counts[name] for name in ("no", "yes")},
        labels={name: counts["labels"][:, place] for place, name in enumerate(("no", "yes"))},
        warned=counts["warned"][:, 1],
    )
