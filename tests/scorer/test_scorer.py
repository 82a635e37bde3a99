"""What the service sees of a scorer; it loads nothing that trains."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tabproof.scorer import Scorer
from tabproof.scorer.encoding import NumberEncoding
from tests.conftest import ROOT
from tests.scorer.fitted import boosting, exported, pipeline_of, small_boosting, table


class Fixed:
    """A model that is never asked."""


def scorer(labels: tuple[str, ...], threshold: float | None) -> Scorer:
    return Scorer((NumberEncoding("n", ()),), labels, Fixed(), threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("threshold", "positive", "label"),
    [
        (0.5, 0.5, "no"),
        (0.5, np.nextafter(0.5, 1), "yes"),
        (0.5, np.nextafter(0.5, 0), "no"),
        (0.9, 0.8, "no"),
        (0.0, 0.0, "no"),
        (0.0, 5e-324, "yes"),
        (1.0, 1.0, "no"),
    ],
)
def test_of_two_labels_the_second_above_the_threshold(
    threshold: float, positive: float, label: str
) -> None:
    assert scorer(("no", "yes"), threshold).label_of([1 - positive, positive]) == label


@pytest.mark.parametrize(
    ("proba", "label"),
    [
        ([0.2, 0.5, 0.3], "b"),
        ([0.4, 0.4, 0.2], "a"),
        ([0.2, 0.4, 0.4], "b"),
        ([1 / 3, 1 / 3, 1 / 3], "a"),
        ([0.0, 0.0, 1.0], "c"),
    ],
)
def test_of_more_labels_the_most_likely_and_of_equals_the_first(
    proba: list[float], label: str
) -> None:
    assert scorer(("a", "b", "c"), None).label_of(proba) == label


def test_columns_and_labels_are_those_of_training() -> None:
    case = small_boosting()
    assert [column.name for column in case.scorer.columns] == list(case.X_train.columns)
    assert case.scorer.labels == case.labels
    assert case.scorer.threshold == 0.5
    assert small_boosting(3).scorer.threshold is None
    city, job = case.scorer.category_columns
    assert city.categories == ("", "None", "a_b", "nan", "東京")
    assert job.categories == ("a", "b")


def test_reading_loads_nothing_that_trains_and_is_soon_done(tmp_path: Path) -> None:
    estimator = boosting(max_iter=100, max_leaf_nodes=31)
    case = exported(pipeline_of("native", estimator), *table(n_rows=400))
    (tmp_path / "scorer").mkdir()
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content)
    code = """
import json, sys, time
import tabproof.scorer
directory = sys.argv[1]
files = {}
for name in ("scorer/scorer.json", "scorer/arrays.safetensors"):
    with open(f"{directory}/{name}", "rb") as file:
        files[name] = file.read()
started = time.perf_counter()
scorer = tabproof.scorer.read_scorer(files)
proba = scorer.predict_row([40.0, 0, 20.0, 0.0, 0])
seconds = time.perf_counter() - started
print(json.dumps([proba, seconds, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    proba, seconds, modules = json.loads(done.stdout)
    assert proba == case.scorer.predict_row([40.0, 0, 20.0, 0.0, 0])
    assert seconds < 0.5
    heavy = {"pandas", "sklearn", "scipy", "joblib", "hydra", "omegaconf", "pyarrow", "lets_plot"}
    assert not heavy & set(modules)
    assert "tabproof.scorer.export" not in modules
