"""Dates, texts and many categories become numbers; training rows do not see their own target."""

import pickle

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tabproof.modeling import ColumnFeatures, make_pipeline, many_categories
from tabproof.scorer import read_scorer
from tabproof.scorer.export import export_pipeline
from tabproof.scorer.export.parity import columns_of
from tests.scorer.fitted import as_category, mixed_table

X, Y = mixed_table(200)
PLAIN = X[["age", "job", "income"]]


def features(**parameters: object) -> ColumnFeatures:
    return ColumnFeatures(**{"max_categories": 20, "random_state": 0, **parameters})


def test_a_frame_of_numbers_and_categories_is_returned_as_it_is() -> None:
    step = features()
    assert step.fit_transform(PLAIN, Y) is PLAIN
    assert step.transform(PLAIN) is PLAIN
    assert step.get_feature_names_out().tolist() == ["age", "job", "income"]


def test_an_array_is_returned_as_it_is() -> None:
    array = PLAIN[["age"]].to_numpy()
    assert features().fit_transform(array, Y) is array


def test_what_it_makes_is_numbers_and_categories_with_names() -> None:
    step = features(text_components=2)
    made = step.fit(X, Y).transform(X)
    assert {str(dtype) for dtype in made.dtypes} == {"float64", "category"}
    assert made.columns.tolist() == step.get_feature_names_out().tolist()
    assert [name for name in made if name.startswith("signed")] == [
        *(f"signed ({part})" for part in ("days", "year", "month", "day", "weekday", "hour")),
        "signed to column_6 (days)",
    ]
    assert "column_6 (hour)" not in made
    assert [name for name in made if name.startswith("remarks")] == [
        f"remarks ({what})" for what in ("length", "score", "topic 0", "topic 1")
    ]
    assert made["town (share)"].between(0, 1).all()
    assert made["signed (days)"].max() == 0


def test_missing_cells_stay_missing_but_for_categories() -> None:
    made = features().fit(X, Y).transform(X)
    for name, of in (("signed (days)", "signed"), ("remarks (score)", "remarks")):
        is_empty = X[of].isna() if of == "signed" else X[of].fillna("").str.strip() == ""
        assert_array_equal(made[name].isna(), is_empty)


def test_three_classes_have_a_share_and_a_score_each() -> None:
    frame, y = mixed_table(200, 3)
    made = features().fit(frame, y).transform(frame)
    assert [name for name in made if "share" in name] == [f"town (share {k})" for k in range(3)]
    assert [name for name in made if "score" in name] == [f"remarks (score {k})" for k in range(3)]


def test_training_rows_do_not_see_their_own_target() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    ids = [f"id {number}" for number in rng.integers(0, 150, 400)]
    frame = pd.DataFrame({"id": as_category(ids), "text": pd.Series(ids, dtype="str")})
    step = features()
    own = step.fit_transform(frame, y)
    again = step.transform(frame)
    for name in ("id (share)", "text (score)"):
        assert roc_auc_score(y, again[name]) > 0.8
        assert 0.35 < roc_auc_score(y, own[name]) < 0.65


def test_a_planted_word_is_found() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(300)])
    hit = rng.random(1_200) < 0.15
    texts = [" ".join([*rng.choice(words, 8), *["late"] * int(h)]) for h in hit]
    y = (rng.random(1_200) < np.where(hit, 0.8, 0.3)).astype(int)
    frame = pd.DataFrame({"text": pd.Series(texts, dtype="str")})
    scores = features().fit(frame[:800], y[:800]).transform(frame[800:])["text (score)"]
    assert roc_auc_score(hit[800:], scores) > 0.95


def test_the_seed_decides_what_training_rows_get() -> None:
    one, same, other = (
        features(random_state=seed).fit_transform(X, Y)["town (share)"] for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_unseen_categories_and_words_get_what_is_known_of_all_rows() -> None:
    step = features().fit(X, Y)
    strange = X.iloc[:1].assign(town=as_category(["never seen"]), remarks="never seen")
    made = step.transform(strange)
    assert made["town (share)"].item() == pytest.approx(Y.mean(), abs=1e-12)
    assert made["remarks (score)"].item() == 0.0


def test_it_can_be_cloned_and_pickled() -> None:
    step = features().fit(X, Y)
    again = pickle.loads(pickle.dumps(step))  # noqa: S301 - made here
    pd.testing.assert_frame_equal(again.transform(X), step.transform(X))
    assert clone(step).get_params() == step.get_params()


def test_columns_with_more_categories_than_a_model_takes_are_named() -> None:
    assert many_categories(X, 20) == ["town"]
    assert many_categories(X, 40) == []
    assert many_categories(X, None) == []


def test_a_table_of_two_rows_per_class_is_learned_from() -> None:
    frame, y = X.iloc[:4], np.array([0, 1, 0, 1])
    assert len(features(max_categories=1).fit_transform(frame, y)) == 4


def test_texts_without_a_repeated_word_have_a_length_only() -> None:
    frame = pd.DataFrame({"text": pd.Series(["a", "b", "c", "d"], dtype="str")})
    made = features().fit_transform(frame, np.array([0, 1, 0, 1]))
    assert made["text (length)"].tolist() == [1.0] * 4
    assert made["text (score)"].tolist() == [0.0] * 4


NAMES = [
    "price [USD]",
    'a"b',
    "a:b",
    "a,b",
    "{x}",
    "a b",
    "a_b",
    "x<y",
    "年齢 (歳)",
    "column_1",
    "",
]


def test_a_model_takes_any_name() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, len(NAMES))), columns=NAMES)
    y = (frame.iloc[:, 0] + frame.iloc[:, 5] > 0).astype(int).to_numpy()
    model = LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1)
    pipeline = make_pipeline({}, {}, model, seed=0).fit(frame, y)
    scorer = read_scorer(export_pipeline(pipeline, frame, ["no", "yes"]))
    assert [column.name for column in scorer.columns] == NAMES
    assert_array_equal(
        scorer.predict_proba(columns_of(scorer, frame)), pipeline.predict_proba(frame)
    )


def test_its_parameters_can_be_searched() -> None:
    pipeline = make_pipeline({}, {}, LogisticRegression(), seed=3, max_categories=9)
    parameters = pipeline.get_params()
    assert parameters["features__max_categories"] == 9
    assert parameters["features__random_state"] == 3
    assert "features__text_components" in parameters
