"""Simple baselines on the rows of the run: a search that loses to one of them has failed.

Logistic regression, boosting with its defaults, and for free text logistic regression on its
character n-grams (TF-IDF). They are fitted once, on a part of the rows and columns that is bounded
by numbers, never by a clock: a baseline that wins in spite of that is better, one that loses says
nothing about all the rows.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from tabproof.auc import (
    Codes,
    Floats,
    auc_components,
    auc_interval,
    auc_of,
    estimate_of,
    has_every_class,
    p_value_of,
)
from tabproof.evaluation.columns import is_date, is_text
from tabproof.evaluation.slices import stratified_order
from tabproof.evaluation_result import Baseline, Estimate, Finding, make_finding

LINEAR, BOOSTING, TEXT = "logistic_regression", "boosting", "text_logistic_regression"

# Maximum cells that a baseline is fitted on; MIN_ROWS rows are used in any case.
MAX_CELLS, MIN_ROWS = 200_000, 1_000
# Of more columns, those whose means differ most between the classes (F of the training rows).
MAX_COLUMNS = 300
# Texts are read up to here, and their most frequent n-grams are kept.
MAX_TEXT_ROWS, MAX_CHARACTERS, MAX_NGRAMS = 5_000, 500, 20_000
# Boosting takes as many categories of a column; rarer ones are missing.
MAX_CATEGORIES = 254
MAX_ITERATIONS = 200
# Numbers beyond this overflow in sums of squares.
LARGEST = 1e30
# A better baseline is a finding below this level, divided by the number of baselines (Bonferroni),
# and from this difference on.
LEVEL, LEAST = 0.05, 0.001
# The AUC of a model that knows nothing, with any number of classes.
CHANCE = 0.5
# How to train each of them, or what is likely to beat it.
TO_TRY = {
    LINEAR: "model=logistic_regression preprocess=onehot",
    BOOSTING: "model=hist_gradient_boosting preprocess=native search=none",
    TEXT: "search=portfolio",
}

Make = Callable[[], Any]


class FittedBaseline(NamedTuple):
    """A baseline: the number of its training rows, and its predictions of the held-out rows.

    seconds: of predicting.
    """

    name: str
    n_rows: int
    proba: Floats
    seconds: float


def fit_baselines(
    X_train: pd.DataFrame,
    y_train: Codes,
    X_test: pd.DataFrame,
    *,
    model: Any,
    seed: int,
) -> Iterator[FittedBaseline]:
    """Yield each baseline, with its probabilities of the held-out rows.

    model : the run's own, to leave out the baseline that equals it.
    """
    rows = np.sort(stratified_order(y_train, seed)[: max_rows(X_train.shape[1])])
    y = y_train[rows]
    kinds = list(map(is_text, X_train.dtypes))
    texts, others = (np.flatnonzero(np.equal(kinds, of)).tolist() for of in (True, False))
    # Boosting refuses a column without any value among its rows.
    has_value = X_train.iloc[rows].notna().any().to_numpy()
    others = [place for place in others if has_value[place]]
    others = most_telling(X_train.iloc[rows, others], y, others)
    # Columns are numbered: names may be of any kind.
    train, test = (plain_columns(X.iloc[:, others]) for X in (X_train.iloc[rows], X_test))
    makers: dict[str, Make] = {}
    if others:
        makers[LINEAR] = lambda: make_linear(train)
        if not is_default_boosting(model):
            makers[BOOSTING] = lambda: HistGradientBoostingClassifier(
                random_state=seed, categorical_features="from_dtype"
            )
    for name, make in makers.items():
        yield FittedBaseline(name, len(y), *fit_and_predict(make(), train, y, test))
    if texts:
        some = np.sort(stratified_order(y, seed)[:MAX_TEXT_ROWS])
        train, test = (
            pd.concat([part.reset_index(drop=True), read_texts(X.iloc[:, texts])], axis=1)
            for part, X in ((train.iloc[some], X_train.iloc[rows[some]]), (test, X_test))
        )
        names = [f"text {number}" for number in range(len(texts))]
        found = fit_and_predict(make_linear(train, names), train, y[some], test)
        yield FittedBaseline(TEXT, len(some), *found)


def max_rows(n_columns: int) -> int:
    """Return how many rows a baseline is fitted on."""
    return max(MIN_ROWS, MAX_CELLS // max(1, min(n_columns, MAX_COLUMNS)))


def fit_and_predict(
    estimator: Any, X: pd.DataFrame, y: Codes, X_test: pd.DataFrame
) -> tuple[Floats, float]:
    """Fit once, without warnings; return the probabilities of other rows, and their seconds."""
    # With so few cells the threads of a fit would wait for each other longer than they work.
    with threadpool_limits(1, "openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted, start = estimator.fit(X, y), perf_counter()
        return np.asarray(fitted.predict_proba(X_test)), perf_counter() - start


def is_default_boosting(model: Any) -> bool:
    """Return whether a fitted pipeline is the boosting baseline: its defaults, no preprocessing."""
    if not isinstance(model, Pipeline):
        return False
    *before, (_, classifier) = model.steps
    if type(classifier) is not HistGradientBoostingClassifier:
        return False
    if any(not isinstance(step, str) for name, step in before if name == "preprocess"):
        return False
    neutral = ("random_state", "categorical_features", "verbose")
    own, default = classifier.get_params(), HistGradientBoostingClassifier().get_params()
    return all(own[name] == value for name, value in default.items() if name not in neutral)


def plain_columns(X: pd.DataFrame) -> pd.DataFrame:
    """Return numbers and dates as numbers, and categories, by number of the column."""
    columns: dict[str, Any] = {}
    for place in range(X.shape[1]):
        column, name = X.iloc[:, place].reset_index(drop=True), f"column {place}"
        if isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = column
        elif is_date(column.dtype):
            seconds = column.astype("datetime64[us]").to_numpy().view(np.int64) / 1e6
            columns[name] = np.where(column.isna(), np.nan, seconds)
        else:
            columns[name] = np.clip(column.to_numpy(np.float64), -LARGEST, LARGEST)
    return _with_few_categories(pd.DataFrame(columns, index=range(len(X))))


def _with_few_categories(X: pd.DataFrame) -> pd.DataFrame:
    """Make rare categories missing where there are many: by text order, the same for all rows."""
    for name in X.columns:
        column = X[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            kept = column.cat.categories[:MAX_CATEGORIES]
            if len(kept) < len(column.cat.categories):
                X[name] = column.cat.set_categories(kept)
    return X


def most_telling(X: pd.DataFrame, y: Codes, places: Sequence[int]) -> list[int]:
    """Return the places of at most MAX_COLUMNS columns whose values differ most by class."""
    if len(places) <= MAX_COLUMNS:
        return list(places)
    is_category = [isinstance(dtype, pd.CategoricalDtype) for dtype in X.dtypes]
    codes = np.empty(X.shape)
    for place in np.flatnonzero(is_category).tolist():
        codes[:, place] = X.iloc[:, place].cat.codes
    # Ranks, which no outlier moves; missing is the least.
    numbers = X.iloc[:, np.flatnonzero(np.logical_not(is_category))]
    codes[:, np.logical_not(is_category)] = numbers.rank(na_option="top").to_numpy()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        scores = np.nan_to_num(f_classif(codes, y)[0])
    return sorted(np.asarray(places)[np.argsort(-scores, kind="stable")[:MAX_COLUMNS]].tolist())


def make_linear(X: pd.DataFrame, texts: Sequence[str] = ()) -> Pipeline:
    """Return logistic regression on scaled numbers, indicators of categories, and n-grams."""
    is_category = {c: isinstance(X[c].dtype, pd.CategoricalDtype) for c in X.columns}
    categories = [c for c, is_one in is_category.items() if is_one]
    numbers = [c for c, is_one in is_category.items() if not is_one and c not in texts]
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    parts: list[tuple[str, Any, Any]] = [
        ("numbers", make_pipeline(fill, StandardScaler()), numbers),
        ("categories", encoder, categories),
    ]
    for name in texts:
        ngrams = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), max_features=MAX_NGRAMS, sublinear_tf=True
        )
        parts.append((name, make_pipeline(FunctionTransformer(_as_list), ngrams), name))
    columns = ColumnTransformer([part for part in parts if len(part[2])])
    return make_pipeline(columns, LogisticRegression(max_iter=MAX_ITERATIONS))


def _as_list(texts: Any) -> list[str]:
    return list(texts)


def read_texts(X: pd.DataFrame) -> pd.DataFrame:
    """Return texts by number, their beginnings, with no text for a missing one."""
    read = {
        f"text {place}": [
            "" if pd.isna(text) else str(text)[:MAX_CHARACTERS] for text in X.iloc[:, place]
        ]
        for place in range(X.shape[1])
    }
    return pd.DataFrame(read, dtype="object")


def compare_with_baseline(
    name: str, n_rows: int, y: Codes, proba: Floats, baseline: Floats
) -> Baseline | None:
    """Return a baseline's AUC, and its difference from the model's on the same rows, tested.

    None where a class has no held-out row, or none among the baseline's training rows. The
    difference is tested as in `tabproof runs compare`: DeLong et al. (1988), with more than two
    classes of the one-vs-rest AUCs' mean.
    """
    if baseline.shape != proba.shape or not has_every_class(y, proba.shape[1]):
        return None
    components = auc_components(y, baseline)
    auc = auc_of(components)
    components = components - auc_components(y, proba)
    difference = estimate_of(auc_of(components), y, components)
    p_value = p_value_of(auc_of(components), y, components)
    estimate = Estimate(auc, *(auc_interval(y, baseline, auc) or (None, None)))
    return Baseline(name, estimate, n_rows, difference, p_value)


def find_chance(auc: Estimate, n_test: int) -> Finding | None:
    """Return a finding if the AUC's interval, or else its value, does not exceed 0.5."""
    lowest = auc.value if auc.low is None else auc.low
    if lowest is None or auc.value is None or lowest > CHANCE:
        return None
    between = "–" if auc.interval is None else "{:.4f} … {:.4f}".format(*auc.interval)
    return make_finding("not_better_than_chance", auc=auc.value, range=between, n_test=n_test)


def find_better_baseline(
    baselines: Sequence[Baseline], auc: float | None, n_test: int
) -> Finding | None:
    """Return a finding if the best baseline is better than the model by more than chance."""
    if not baselines or auc is None:
        return None
    best = max(baselines, key=lambda each: each.auc.value or 0.0)
    difference = best.difference.value or 0.0
    p_value = min(1.0, best.p_value * len(baselines))
    if difference < LEAST or p_value >= LEVEL:
        return None
    return make_finding(
        "baseline_is_better",
        baseline=best.name.replace("_", " "),
        auc_of_baseline=best.auc.value,
        auc=auc,
        difference=difference,
        p_value=p_value,
        n_test=n_test,
        to_try=TO_TRY[best.name],
    )
