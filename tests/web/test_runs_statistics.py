"""The tests between two runs, as the page of all runs computes them: the same numbers as Python."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, rankdata
from scipy.stats import t as student

from tabproof.evaluation.comparison import compare_in_all
from tests.web.test_web import SOURCES, needs_node, node

SCRIPT = """
import {{ readFileSync }} from "node:fs";
import {{ binomialTail, compareRuns, studentTails }} from "{module}";
const {{ pairs, tails, students }} = JSON.parse(readFileSync("{cases}", "utf-8"));
console.log(JSON.stringify({{
  pairs: pairs.map(({{ truth, run, reference }}) => compareRuns(truth, run, reference)),
  tails: tails.map(([k, n]) => binomialTail(k, n)),
  students: students.map(([t, freedom]) => studentTails(t, freedom)),
}}));
"""


def probabilities(rng: np.random.Generator, y: Any, n_labels: int, noise: float) -> Any:
    """Return probabilities of few distinct values, so that there are ties."""
    raw = np.eye(n_labels)[y] + noise * rng.random((len(y), n_labels))
    raw = np.round(raw, 1) + 0.01
    return raw / raw.sum(axis=1, keepdims=True)


def as_island(proba: Any) -> dict[str, Any]:
    ranks = rankdata(proba[:, 1], method="dense") - 1
    return {
        "predicted": proba.argmax(axis=1).tolist(),
        "ranks": ranks.tolist() if proba.shape[1] == 2 else None,
    }


def make_pairs() -> tuple[list[Any], list[Any]]:
    rng = np.random.default_rng(0)
    cases, expected = [], []
    for n_rows, n_labels, noises in [
        (4, 2, (1, 2)),
        (5, 2, (0, 9)),
        (30, 2, (2, 3)),
        (200, 2, (2, 2)),
        (200, 3, (2, 4)),
        (3000, 2, (3, 3.1)),
        (3000, 2, (1, 9)),
    ]:
        y = np.arange(n_rows) % n_labels
        ours, theirs = (probabilities(rng, y, n_labels, noise) for noise in noises)
        for one, other in [(ours, theirs), (theirs, ours), (ours, ours)]:
            run, reference = as_island(one), as_island(other)
            cases.append({"truth": y.tolist(), "run": run, "reference": reference})
            expected.append(compare_in_all(y, one, other))
    # With one row of a class there is a difference, but no variance.
    y, one, other = np.array([1, 0, 0]), np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1])
    one, other = (np.column_stack([1 - p, p]) for p in (one, other))
    cases.append({"truth": y.tolist(), "run": as_island(one), "reference": as_island(other)})
    expected.append(compare_in_all(y, one, other))
    return cases, expected


@needs_node
def test_the_page_computes_the_numbers_of_python(tmp_path: Path) -> None:
    pairs, expected = make_pairs()
    tails = [(k, n) for n in (0, 1, 2, 15, 16, 40, 999, 10**6) for k in {0, n // 3, n // 2}]
    values = (1e-9, 0.1, 1, 2, 6, 40)
    students = [(t, df) for t in values for df in (1, 2.5, 9, 40.1, 1e3, 2e6)]
    given = tmp_path / "cases.json"
    given.write_text(json.dumps({"pairs": pairs, "tails": tails, "students": students}))
    script = SCRIPT.format(module=SOURCES / "runs/statistics.js", cases=given)
    done = node("--input-type=module", "--eval", script)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    def close(value: float) -> Any:
        return pytest.approx(value, rel=1e-9, abs=1e-300)

    assert found["tails"] == [close(float(binom.cdf(k, n, 0.5))) for k, n in tails]
    assert found["students"] == [close(2 * float(student.sf(t, df))) for t, df in students]
    for tests, comparisons in zip(found["pairs"], expected, strict=True):
        names = [{"roc_auc": "AUC"}.get(test["metric"], test["metric"]) for test in tests]
        assert names == [each.metric for each in comparisons]
        for test, each in zip(tests, comparisons, strict=True):
            assert test["test"] == each.test
            assert test["value"] == each.candidate
            assert test["reference"] == each.current
            assert test["difference"] == each.difference
            assert test["pValue"] == close(each.p_value)
    significant = [test for tests in found["pairs"] for test in tests if test["pValue"] < 0.05]
    assert 0 < len(significant) < sum(map(len, found["pairs"]))
    assert not any(math.isnan(test["pValue"]) for tests in found["pairs"] for test in tests)
