"""Runs whose report has panels, and what their scripts read."""

import csv
import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import train

PLAN, LABELS = "plan <b>\"&'</b>", ("<no>", "yes")
PLANS = ("basic", "<script>alert(1)</script>", "\u202efull", "p" * 300)
# More than a list shows.
N_TOWNS = 90
WHOLE = ["checks=none", "report=default", "report.plots=false", "search=none"]


def train_on_every_kind(path: Path, *options: str, n_rows: int = 420) -> None:
    """Train on numbers, categories, dates and texts, some of them missing, with odd names."""
    rng = np.random.default_rng(0)
    source = path.parent / f"{path.name}.csv"
    words = np.array(["late", "paid", "again", "苦情", "called"])
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["amount", "__proto__", PLAN, "since", "at", "remarks", "town", "label"])
        for number in range(n_rows):
            amount, day = rng.gamma(2, 50), np.datetime64("2023-01-01") + rng.integers(0, 500)
            moment = np.datetime64("2024-01-01T00:00:00") + rng.integers(0, 10**7)
            text = " ".join(rng.choice(words, 6))
            cells = [
                *(f"{amount:.2f}", str(rng.integers(0, 9)), PLANS[rng.integers(0, 4)]),
                *(f"{day.item():%d/%m/%Y}", str(moment), text, f"town {number % N_TOWNS}"),
            ]
            cells = ["" if rng.random() < 0.05 else cell for cell in cells]
            is_yes = amount / 100 + ("late" in text) + rng.normal(0, 0.5) > 1.6
            writer.writerow([*cells, LABELS[int(is_yes)]])
    done = train(
        *("dataset=file", f"dataset.path={source}", "dataset.target=label", *WHOLE),
        *("+dataset.column_types.remarks=text", "+model.estimator.max_iter=20"),
        *(f"hydra.run.dir={path}", *options),
    )
    assert done.returncode == 0, done.stderr


def unpacked(text: str) -> bytes:
    return gzip.decompress(b64decode(text))


def read_island(page: str, name: str) -> Any:
    """Return the JSON of a page by its id; None where it has none."""
    found = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', page)
    return None if found is None else json.loads(found[1])


def read_what_if(page: str) -> Any:
    """Return what the form is made of, with the schema."""
    files = read_island(page, "what_if-data")
    schema, content = (
        json.loads(unpacked(files[f"{name}.json"])) for name in ("schema", "what_if")
    )
    return content | {"schema": schema}
