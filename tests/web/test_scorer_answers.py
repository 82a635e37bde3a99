"""The page and the service give the same answer for a row, warnings included."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tabproof.forms import MISSING_WORDS, NO_NUMBER_WORDS, DateForm, plain
from tabproof.forms.words import _BOOLEANS
from tabproof.schema import CategoryColumn, DateColumn, NumberColumn, Schema
from tabproof.scorer import CategoryReader
from tabproof.service.answers import RefusedError
from tabproof.service.rows import RowReader
from tabproof.service.served_model import ServedModel
from tests.scorer.fitted import (
    Exported,
    as_category,
    boosting,
    exported,
    mixed_boosting,
    pipeline_of,
    small_vote,
)
from tests.web.conftest import Calls
from tests.web.evaluating import schema_of, write_files
from tests.web.test_web import needs_node

pytestmark = needs_node


def spelled_table(n_rows: int = 90) -> tuple[pd.DataFrame, np.ndarray]:
    """Make categories that are numbers and truth values, and columns with hostile names."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "__proto__": rng.normal(0, 1e6, n_rows),
            "toString": rng.integers(0, 3, n_rows).astype("float64"),
            "code": as_category(rng.choice(["1", "3", "03", "12", "-999"], n_rows)),
            "<b>": as_category(rng.choice(["False", "True"], n_rows)),
            "name": as_category(rng.choice(["NA", "a", " b"], n_rows)),
        }
    )
    return frame, (frame["__proto__"] + 1e6 * (frame["<b>"] == "True") > 0).to_numpy().astype(int)


def with_columns(schema: Schema, **changes: Any) -> Schema:
    """Return a schema whose columns of numbers or of dates are changed."""
    columns = [
        replace(column, **{k: v for k, v in changes.items() if hasattr(column, k)})
        if not isinstance(column, CategoryColumn)
        else column
        for column in schema.columns
    ]
    return replace(schema, columns=tuple(columns))


def with_clock(schema: Schema) -> Schema:
    """Return a schema whose dates have a time of day, and are by a clock of their own."""
    columns = [
        replace(
            column,
            form=DateForm(offset=540, has_time=True),
            maximum=(column.maximum or 0.0) + 0.25,
        )
        if isinstance(column, DateColumn)
        else column
        for column in schema.columns
    ]
    return replace(schema, columns=tuple(columns))


def spelled(estimator: Any, preprocess: str = "native") -> Exported:
    return exported(pipeline_of(preprocess, estimator), *spelled_table())


FOREST = RandomForestClassifier(3, max_leaf_nodes=5, random_state=0)
CASES: dict[str, Any] = {
    "dates and texts": lambda: (mixed_boosting(), lambda schema: schema),
    "dates of a clock": lambda: (mixed_boosting(3), with_clock),
    "words for missing": lambda: (
        mixed_boosting(),
        lambda schema: replace(schema, na_values=("-999", "(5)", "never", "2020-01-01")),
    ),
    "spelled": lambda: (spelled(boosting()), lambda schema: schema),
    "no ranges": lambda: (
        spelled(LogisticRegression(), "onehot"),
        lambda schema: with_columns(schema, minimum=None, maximum=None),
    ),
    "spelled, words for missing": lambda: (
        spelled(FOREST, "ordinal"),
        lambda schema: replace(schema, na_values=("-999", "3.0", "a")),
    ),
    "vote": lambda: (small_vote(), lambda schema: schema),
}


def cells_of(column: Any) -> st.SearchStrategy[Any]:
    """Return what a form can send for a column."""
    if isinstance(column, NumberColumn):
        ends = [x for x in (column.minimum, column.maximum) if x is not None]
        near = [*ends, *(np.nextafter(x, to) for x in ends for to in (-np.inf, np.inf))]
        numbers = st.floats(allow_nan=False, allow_infinity=False)
        few = [-999, -5, 0, 3, 1e39, -1e300, *map(float, near)]
        return st.none() | numbers | st.integers(-9999, 9999) | st.sampled_from(few)
    if isinstance(column, CategoryColumn):
        odd = ["3.0", "003", "12,0", "-0", "yes", "はい", "ＯＮ", "NA", "", "nan", "-999.0", "1e3"]
        return st.none() | st.sampled_from([*column.categories, *odd]) | st.text(max_size=4)
    if isinstance(column, DateColumn):
        odd = ["2023-02-30", "9999-12-31T23:59:59.999999", "0001-01-01", "2020-01", "0000-01-01"]
        odd += ["2024-06-01T12:30Z", "2024-06-01 12:30:05+09:00", "2024-06-01T01:00-03:30", "?"]
        return st.one_of(
            st.none(),
            st.dates().map(str),
            st.datetimes().map(lambda time: time.isoformat()),
            st.datetimes(pd.Timestamp(2019, 1, 1), pd.Timestamp(2024, 1, 1)).map(str),
            st.sampled_from(odd),
            st.text("abc ", max_size=4),
        )
    return (
        st.none() | st.text(max_size=12) | st.sampled_from(["late again", "苦情 解約した", "never"])
    )


@pytest.fixture(scope="module", params=CASES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ServedModel, str]:
    case, change = CASES[request.param]()
    schema, scorer = change(schema_of(case)), case.scorer
    directory = tmp_path_factory.mktemp("scorer")
    write_files(case, [], directory)
    (directory / "schema.json").write_text(schema.to_json(), encoding="utf-8")
    reader = RowReader(schema, scorer, allow_empty=True)
    summary: Any = None
    model = ServedModel("m", "r", directory, "s", False, "", schema, scorer, reader, summary)
    return model, str(directory)


def answer_of(model: ServedModel, row: dict[str, Any], *, explain: bool) -> dict[str, Any]:
    """Return what the service answers, without the names of model and run."""
    try:
        found = model.predict_row(row, strict=False, explain=explain)
    except RefusedError as refusal:
        if not explain:
            return {"refused": refusal.detail}
        # A form shows the prediction without it.
        found = answer_of(model, row, explain=False)
        if "refused" in found:
            return found
        return {**found, "unexplained": refusal.detail}
    answer = json.loads(msgspec.json.encode(found))
    del answer["model"], answer["run_id"]
    return {"explanation": None, "unexplained": None, **answer}


@given(st.data())
def test_the_page_answers_as_the_service(
    js: Calls, served: tuple[ServedModel, str], data: st.DataObject
) -> None:
    model, directory = served
    columns = {column.name: cells_of(column) for column in model.schema.columns}
    row = data.draw(st.fixed_dictionaries(columns))
    for name in data.draw(st.sets(st.sampled_from([*columns, "other", "constructor"]), max_size=2)):
        row = {k: v for k, v in row.items() if k != name} if name in columns else {**row, name: 1}
    expected, found = answer_of(model, row, explain=True), js("predict", directory, row)
    assert found.keys() == expected.keys()
    if "refused" in found:
        assert found == expected
        return
    for name in ("pred_proba", "probabilities"):
        assert found.pop(name) == pytest.approx(expected.pop(name), rel=1e-13, abs=1e-15)
    explanations = found.pop("explanation"), expected.pop("explanation")
    assert found == expected
    if None in explanations:
        assert explanations == (None, None)
        return
    ours, theirs = explanations
    scale = max(1.0, *map(abs, theirs["contributions"].values()))
    for name in ("contributions", "base_value", "score"):
        # Numbers of extreme rows cancel out in the sum.
        assert ours.pop(name) == pytest.approx(theirs.pop(name), rel=1e-11, abs=1e-12 * scale)
    assert ours == theirs


# --- Words of the service that are written again in JavaScript.


def test_words_for_missing_are_those_of_python(js: Calls) -> None:
    assert sorted(js("words")) == sorted(NO_NUMBER_WORDS)


def test_signs_are_made_plain_as_in_python(js: Calls) -> None:
    texts = [f" {letter}1{letter}" for letter in map(chr, range(0x10000)) if letter.isprintable()]
    texts += [f"{space}x{space}" for space in map(chr, range(0x10000)) if space.isspace()]
    texts += ["\ufeff1", "\U0001f600"]
    assert js("plain", texts) == list(map(plain, texts))


WORDS = [*MISSING_WORDS, *_BOOLEANS, "TRUE", "ｙｅｓ", "01", "1.0", "-0", "0.0", "2", "1e0"]


@given(
    st.sampled_from([("False", "True"), ("1", "01", "2"), ("NA", "0"), ()]),
    st.sampled_from([(), ("1",), ("0.0", "yes"), ("2.50",)]),
    st.lists(st.text("0123.,-", max_size=5), max_size=20),
)
def test_a_text_means_the_category_that_it_means_in_python(
    js: Calls, categories: tuple[str, ...], na_values: tuple[str, ...], texts: list[str]
) -> None:
    reader, texts = CategoryReader(categories, na_values), [*texts, *WORDS]
    assert js("places", texts, [categories, na_values]) == list(map(reader.place, texts))
