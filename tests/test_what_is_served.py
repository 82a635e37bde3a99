"""What is stated of a model is what was fitted, for every model and search that conf/ offers.

The report, the model card, `runs show` and the service's /schema are read as text, and held against
estimator.joblib.
"""

import json
import re
from ast import literal_eval
from collections.abc import Callable
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tabproof.artifacts import EstimatorFacts
from tabproof.experiment import run_experiment
from tabproof.search import SearchResult
from tabproof.service.served_model import load_model
from tabproof.steps.describe import describe_estimator
from tests.conftest import composed, typed_in
from tests.test_conf import SMALL_PORTFOLIO, choices, few_trees

# Texts alone: no plot is read here.
STATED = ["report=default", "report.plots=false", "runtime=serial", "search.n_splits=2"]
NEEDED = {"catboost": "catboost", "lightgbm": "lightgbm", "tpe": "optuna", "xgboost": "xgboost"}
SMALL = {
    # With this seed an ensemble scores better than its best member.
    "portfolio": [*SMALL_PORTFOLIO, "seed=4"],
    "auto": ["search.n_repeats=1"],
    "classic": ["search.param_grid=fast"],
    "random": ["search.n_candidates=4"],
    "tpe": ["search.n_candidates=6", "search.batch_size=3"],
}
# Class, and weight where there are several.
Parts = list[tuple[str, float | None]]


def fitted_parts(run: Path) -> Parts:
    """Return the classes and weights of the fitted estimator, as scikit-learn has them."""
    model = joblib.load(run / "estimator.joblib").pipeline
    if isinstance(model, CalibratedClassifierCV):
        model = model.calibrated_classifiers_[0].estimator
    model = model[-1]
    if not isinstance(model, VotingClassifier):
        return [(type(model).__name__, None)]
    weights = model.weights or [1.0] * len(model.estimators_)
    return [
        (type(part[-1]).__name__, weight / sum(weights))
        for part, weight in zip(model.estimators_, weights, strict=True)
    ]


def stated_by_report(run: Path) -> Parts:
    page = (run / "report.html").read_text(encoding="utf-8")
    (section,) = re.findall(r'<section id="model".*?</section>', page, re.DOTALL)
    rows = [
        [unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr.*?</tr>", section, re.DOTALL)
    ][1:]
    assert_title(unescape(section), len(rows))
    if len(rows[0]) == 2:
        return [(kind, None) for kind, _ in rows]
    return [(kind, float(weight)) for _, kind, _, weight, _ in rows]


def stated_by_card(run: Path) -> Parts:
    card = (run / "model_card.md").read_text(encoding="utf-8")
    (kind,) = re.findall(r"^- \*\*Kind\*\*: (.*)$", card, re.MULTILINE)
    (details,) = re.findall(r"^## Model details$(.*?)^## Uses$", card, re.DOTALL | re.MULTILINE)
    rows = [line[2:-2].split(" | ") for line in details.splitlines() if line.startswith("| ")][2:]
    assert_title(kind, max(1, len(rows)))
    return [(row[1], float(row[3])) for row in rows] or [(kind, None)]


def stated_by_show(run: Path) -> Parts:
    lines = typed_in("runs", "show", run).stdout.splitlines()
    (first,) = [n for n, line in enumerate(lines) if line.startswith("model ")]
    title = lines[first].split(maxsplit=1)[1]
    margin = lines[first].index(title)
    below = lines[first + 1 : [line[:7] for line in lines].index("search ")]
    assert all(line.startswith(" " * margin) for line in below)
    assert_title(title, len(below))
    if not title.startswith("ensemble"):
        return [(title, None)]
    found = (re.match(r" +\w+: (\w+); weight ([\d.]+);", line) for line in below)
    return [(each[1], float(each[2])) for each in found if each]


def stated_by_schema(run: Path) -> Parts:
    stated = load_model(run, name=None, source="a test").schema_info().estimator
    assert stated is not None
    assert_title(stated.kind, len(stated.members))
    return [(member.kind, member.weight) for member in stated.members]


def assert_title(text: str, n_members: int) -> None:
    """Check that an ensemble is called one, and a single model is not."""
    titles = re.findall(r"ensemble of (\d+) models \(soft vote\)", text)
    assert set(titles) == ({str(n_members)} if n_members > 1 else set())


STATEMENTS: dict[str, Callable[[Path], Parts]] = {
    "report": stated_by_report,
    "card": stated_by_card,
    "show": stated_by_show,
    "schema": stated_by_schema,
}


def check_statements(run: Path, line: str) -> Parts:
    """Check all that is stated of a run; return what its estimator is."""
    expected = fitted_parts(run)
    for name, read in STATEMENTS.items():
        found = read(run)
        assert [kind for kind, _ in found] == [kind for kind, _ in expected], name
        for (_, weight), (_, wanted) in zip(found, expected, strict=True):
            # The report and the card round to three digits.
            assert weight == (wanted if wanted is None else pytest.approx(wanted, abs=5e-4)), name
    page = (run / "report.html").read_text(encoding="utf-8")
    summary = json.loads((run / "summary.json").read_text())
    is_joined = "ensemble" in summary["best_params"]
    assert page.count('<span class="badge fine">member, weight') == is_joined * len(expected)
    assert page.count('<span class="badge fine">chosen') == (
        not is_joined and summary["mode"] != "none"
    )
    check_candidates(run, summary)
    if is_joined:
        assert f" best={{'ensemble': '{len(expected)} models (soft vote)'}} elapsed_sec=" in line
    else:
        assert f" best={summary['best_params']} elapsed_sec=" in line
    return expected


def check_candidates(run: Path, summary: dict[str, Any]) -> None:
    """Check the numbers and scores of candidates against cv_results.csv."""
    table, estimator = pd.read_csv(run / "cv_results.csv"), summary["estimator"]
    last = table[table["iter"] == table["iter"].max()]
    parts = summary["best_params"].get("ensemble", [])
    for member, part in zip(estimator["members"] if parts else [], parts, strict=True):
        (row,) = last[last["candidate"] == member["candidate"]].to_dict("records")
        assert {"weight": member["weight"], **literal_eval(row["params"])} == part
        assert member["score"] == pytest.approx(row["mean_test_score"], abs=1e-12)
    if estimator["candidate"] is not None:
        (row,) = last[last["candidate"] == estimator["candidate"]].to_dict("records")
        assert literal_eval(row["params"]) == summary["best_params"]


def skip_without(name: str) -> None:
    if name in NEEDED and find_spec(NEEDED[name]) is None:
        pytest.skip(f"{NEEDED[name]} is not installed")


def trained(make_csv: Callable[..., Path], run: Path, *overrides: str) -> Parts:
    table = ["dataset=file", f"dataset.path={make_csv()}", "dataset.target=label"]
    config = composed(*table, *STATED, *overrides)
    few_trees(config.model)
    return check_statements(run, run_experiment(config, run))


@pytest.mark.parametrize("model", choices("model"))
def test_what_is_stated_of_a_model_is_what_was_fitted(
    model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    skip_without(model)
    found = trained(make_csv, tmp_path, f"model={model}", "search=none")
    assert len(found) == (4 if model == "vote" else 1)


@pytest.mark.parametrize("search", choices("search"))
def test_what_is_stated_after_a_search_is_what_was_fitted(
    search: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    skip_without(search)
    choice = [f"search={search}", "model=logistic_regression", *SMALL.get(search, [])]
    found = trained(make_csv, tmp_path, *choice)
    assert (len(found) > 1) == (search in ("auto", "portfolio"))


def test_a_calibrated_vote_with_weights_is_searched_as_a_whole(
    make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    found = trained(
        make_csv,
        tmp_path,
        "model=vote",
        "model.estimator.weights=[1,2,3,2]",
        "search=fast",
        "~model.param_grids.fast",
        "+model.param_grids.fast={clf__linear__clf__C: [0.03, 0.3]}",
        "calibration=sigmoid",
        "calibration.n_splits=2",
    )
    assert [weight for _, weight in found] == [0.125, 0.25, 0.375, 0.25]


# --- Estimators that conf/ does not offer, and that a user may configure.


def described(estimator: Any) -> EstimatorFacts:
    X = [[0.0], [1.0], [2.0], [3.0]] * 5
    pipeline = Pipeline([("clf", estimator)]).fit(X, [0, 0, 1, 1] * 5)
    return describe_estimator(SearchResult(pipeline, {}, None, "roc_auc", pd.DataFrame(), 1))


def test_a_member_that_was_dropped_is_no_member() -> None:
    parts = [("a", LogisticRegression()), ("b", "drop"), ("c", make_pipeline(LogisticRegression()))]
    found = described(VotingClassifier(parts, voting="soft", weights=[1, 5, 3]))
    assert [(each.name, each.weight) for each in found.members] == [("a", 0.25), ("c", 0.75)]
    assert found.title == "ensemble of 2 models (soft vote)"


def test_a_stack_has_members_without_weights_and_a_model_on_top() -> None:
    parts = [("a", LogisticRegression(C=2.0)), ("b", LogisticRegression())]
    found = described(StackingClassifier(parts, cv=2))
    assert found.title == "ensemble of 2 models (stacking by LogisticRegression)"
    assert [(each.params, each.weight) for each in found.members] == [
        ({"C": 2.0}, None),
        ({}, None),
    ]
