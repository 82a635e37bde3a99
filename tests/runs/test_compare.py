"""A comparison shows what differs, and does not take noise for progress."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof.runs.compare import compare
from tests.artifacts.making import DAY, make_recorded_run, predictions

N_ROWS = 400
TRUTH = np.random.default_rng(0).integers(0, 2, N_ROWS)
OUTPUTS = Path("outputs")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def noisy(noise: float, seed: int, **changes: Any) -> dict[str, bytes]:
    """Return predictions of two classes, the better the less noise."""
    scores = TRUTH + np.random.default_rng(seed).normal(0, noise, N_ROWS)
    proba = 1 / (1 + np.exp(1 - 2 * scores))
    truth = [("no", "yes")[code] for code in TRUTH]
    content = predictions(np.column_stack([1 - proba, proba]), **{"truth": truth, **changes})
    return {"predictions.parquet": content}


def made(name: str, run_id: str, files: dict[str, bytes], **said: Any) -> str:
    return str(make_recorded_run(OUTPUTS / DAY / name, run_id, files=files, **said))


def compared(*names: str) -> dict[str, Any]:
    return json.loads(compare(names, outputs=OUTPUTS, models=Path("models"), as_json=True))


def in_words(*names: str) -> str:
    return compare(names, outputs=OUTPUTS, models=Path("models"), as_json=False)


def test_only_keys_that_differ_are_shown() -> None:
    made("a", "aaaa0000", noisy(1, 1), versions={"numpy": "2.4.6", "scipy": "1"})
    made("b", "bbbb0000", {
        **noisy(1, 1), "config.yaml": b"seed: 42\nsearch:\n  name: fast\n  n_splits: 3\n",
    }, versions={"numpy": "2.5.0", "scipy": "1"}, code="d1ff", best_params={})  # fmt: skip
    assert compared("aaaa", "bbbb")["differing"] == {
        "configuration": {"search.name": ["full", "fast"], "search.n_splits": ["-", 3]},
        "best parameters": {"clf__max_depth": [4, "-"]},
        "data": {},
        "code and versions": {"versions.numpy": ["2.4.6", "2.5.0"], "code": ["c0de", "d1ff"]},
    }
    told = in_words("aaaa", "bbbb")
    assert "search.n_splits" in told
    assert "seed" not in told
    assert "scipy" not in told
    assert "-- data: the same" in told


def test_a_random_difference_is_called_noise() -> None:
    made("a", "aaaa0000", noisy(1, 1))
    made("b", "bbbb0000", noisy(1, 5))
    made("c", "cccc0000", noisy(0.3, 3))
    verdicts = compared("aaaa", "bbbb", "cccc")["against_the_first"]
    assert [verdict["run"] for verdict in verdicts] == ["bbbb0000", "cccc0000"]
    assert [[test["is_noise"] for test in verdict["tests"]] for verdict in verdicts] == [
        [True, True], [False, False],
    ]  # fmt: skip
    assert [test["test"] for test in verdicts[0]["tests"]] == ["DeLong", "McNemar"]
    assert verdicts[1]["tests"][0]["difference"] > 0
    told = in_words("aaaa", "bbbb", "cccc")
    assert "-- cccc0000 against aaaa0000, on the same 400 rows held out" in told
    assert (
        told.count("(DeLong): no more than noise") == told.count("(DeLong): more than noise") == 1
    )


def test_several_classes_are_compared_by_accuracy_only() -> None:
    proba = np.tile(np.eye(3), (5, 1))
    labels, truth = ("a", "b", "c"), ["a", "b", "c"] * 5
    files = {"predictions.parquet": predictions(proba, truth, labels)}
    for name, run_id in (("a", "aaaa0000"), ("b", "bbbb0000")):
        made(name, run_id, files, labels=list(labels))
    tests = compared("aaaa", "bbbb")["against_the_first"][0]["tests"]
    assert [(test["test"], test["p_value"]) for test in tests] == [("McNemar", 1.0)]


@pytest.mark.parametrize(
    ("files", "said", "what"),
    [
        (noisy(1, 2, row_ids=range(1, N_ROWS + 1)), {}, "the rows held out"),
        (noisy(1, 2), {"data": {"sha256": "e" * 64}}, "the data"),
        (noisy(1, 2), {"labels": ["yes", "no"]}, "the labels"),
        (noisy(1, 2, truth=["no"] * N_ROWS), {}, "the true labels"),
    ],
)
def test_runs_with_other_rows_are_not_tested(
    files: dict[str, bytes], said: dict[str, Any], what: str
) -> None:
    made("a", "aaaa0000", noisy(1, 1))
    made("b", "bbbb0000", files, **said)
    verdict = compared("aaaa", "bbbb")["against_the_first"][0]
    assert (verdict["obstacle"], verdict["tests"]) == (what, [])
    assert f"no test is possible, since {what} differ" in in_words("aaaa", "bbbb")


def test_many_differing_columns_are_cut() -> None:
    for name in ("a", "b"):
        columns = {f"{name}{number}": "0" for number in range(100)}
        data = {"sha256": name * 64, "columns": columns}
        made(name, f"{name * 4}0000", noisy(1, 1), data=data)
    assert "… and 161 more (--json)" in in_words("aaaa", "bbbb")
    assert len(compared("aaaa", "bbbb")["differing"]["data"]) == 201
