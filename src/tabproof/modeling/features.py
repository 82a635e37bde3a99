"""The first step of every pipeline: dates, texts and many categories become numbers.

Which features there are is learned from the training rows. How they are computed is the business
of `tabproof.features`, which the exported scorer calls too.
"""

import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations, combinations_with_replacement
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import TargetEncoder
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from tabproof.features import (
    DATE_PARTS,
    DAY,
    Arithmetic,
    Feature,
    FeatureMaker,
    Floats,
    Take,
    TextTable,
    seconds_of,
    value_rows,
)
from tabproof.modeling.folds import InnerFolds, has_groups
from tabproof.modeling.pairs import (
    Binned,
    choose_pairs,
    choose_values,
    cross_fitted_shares,
    strongest_numbers,
)
from tabproof.modeling.texts import MAX_SCORED_CLASSES, Splits, fit_text

Pair = tuple[int, int]

# Pairs of more date columns would be more features than rows often bear.
MAX_DATES_WITH_PAIRS = 4
# Folds of values that training rows get from models that were not fitted on them.
N_SPLITS = 5
# LightGBM refuses these in names, XGBoost some of them.
UNSAFE = re.compile(r'[\[\]{}<>:,"\\\x00-\x1f]')
# The names of prepared features begin with it, and no others do; then the kind follows.
PREPARED = "="
PREFIXES = {
    "combinations": "=combined ",
    "interactions": "=crossed ",
    "shares": "=share ",
    "products": "=product ",
}
SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
# Shares of few rows are drawn to those of all, as if there were as many more.
SMOOTH = 10.0
# Categories that have shares beside them are at least as many.
MIN_CATEGORIES = 3
# Numbers with more values have no shares, nor those that fewer rows have on average.
MAX_VALUES, MIN_ROWS_OF_VALUE = 256, 10
# No category of training looks like it.
UNSEEN = "\ue000 never seen"


class ColumnFeatures(TransformerMixin, BaseEstimator):
    """Make features of dates, texts, and categories with many values; keep all other columns.

    A date becomes the days since the newest training row, year, month, day, weekday, and the hour
    if some row has a time of day; of up to four dates also the days between each two. A text
    becomes its length and a score per class (one for two classes): a logistic regression on its
    hashed words, pairs of words, or characters. A column of more than max_categories categories
    becomes the share of each class among their rows.

    Beside the columns there can be prepared features, whose names begin with PREPARED: results of
    arithmetic of two numbers, shares of pairs of categories, and shares of categories that are
    kept and of numbers with few values, and for linear models products of all pairs of numbers
    less their means. Pairs are chosen on the training rows (`tabproof.modeling.pairs`).

    Training rows get scores and shares from folds that they are not in, without their own target;
    with the level `group` in the index of X, without the targets of their group. A frame without
    such columns is returned as it is.

    Parameters
    ----------
    max_categories : None leaves categories as they are.
    text_components : topics of a text (of a truncated SVD), as further features.
    text_buckets : into how many buckets words are hashed.
    text_C : the inverse strength of the penalty of the logistic regression.
    combinations : the most results of arithmetic.
    interactions : the most pairs of categories.
    shares : whether each column of three categories or more has its shares beside it, and each
        of 3 to 256 numbers, of which at least ten rows have one on average, and whose exact values
        say more of the target than bins of them.
    products : whether products are made, of at most 20 numbers.
    """

    # scikit-learn's name for constraints, which check_grid uses too.
    _parameter_constraints: ClassVar = {
        "max_categories": [None, Interval(Integral, 1, None, closed="left")],
        "text_components": [Interval(Integral, 0, None, closed="left")],
        "text_buckets": [Interval(Integral, 2, 2**31, closed="left")],
        "text_C": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "combinations": [Interval(Integral, 0, None, closed="left")],
        "interactions": [Interval(Integral, 0, None, closed="left")],
        "shares": ["boolean"],
        "products": ["boolean"],
    }

    def __init__(
        self,
        max_categories: int | None = None,
        text_components: int = 0,
        text_buckets: int = 2**15,
        text_C: float = 0.1,
        random_state: Any = None,
        combinations: int = 0,
        interactions: int = 0,
        shares: bool = False,
        products: bool = False,
    ) -> None:
        self.max_categories = max_categories
        self.text_components = text_components
        self.text_buckets = text_buckets
        self.text_C = text_C
        self.random_state = random_state
        self.combinations = combinations
        self.interactions = interactions
        self.shares = shares
        self.products = products

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the features."""
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **_params: Any) -> Any:
        """Learn the features; return those of the training rows, out of folds."""
        out_of_folds = self._learn(X, y)
        frame = self.transform(X)
        for place, values in out_of_folds.items():
            frame[self.names_[place]] = values
        return frame

    def transform(self, X: Any) -> Any:
        """Return a frame of numbers and categories; X itself if there is nothing to do."""
        check_is_fitted(self, "maker_")
        if self.maker_ is None:
            return X
        made = self.maker_.of_columns(self.cells(X))
        found = {
            name: X.iloc[:, feature.of[0]] if feature.take == "cell" else values
            for name, feature, values in zip(self.names_, self.maker_.features, made, strict=True)
        }
        return pd.DataFrame(found, index=X.index)

    def with_prepared(self, kinds: Collection[str]) -> Self:
        """Return the same step, fitted, with prepared features of these kinds alone."""
        left_out = {kind: type(self.get_params()[kind])(0) for kind in {*PREFIXES} - {*kinds}}
        rest: Self = clone(self).set_params(**left_out)
        rest.__dict__.update({k: v for k, v in vars(self).items() if k.endswith("_")})
        if self.maker_ is None:
            return rest
        kept = [place for place, name in enumerate(self.names_) if has_kind(name, kinds)]
        rest.names_ = [self.names_[place] for place in kept]
        if rest.names_ == [*self.feature_names_in_]:
            rest.maker_, rest.categories_, rest.numbers_ = None, {}, set()
            return rest
        rest.maker_ = self.maker_.of_some(kept)
        read = {of for each in rest.maker_.features for of in each.of if each.take != "cell"}
        rest.categories_ = {p: names for p, names in self.categories_.items() if p in read}
        rest.numbers_ = self.numbers_ & read
        return rest

    def cells(self, X: pd.DataFrame) -> list[NDArray[Any]]:
        """Return the columns as FeatureMaker takes them; others are not read."""
        found: list[NDArray[Any]] = []
        for place, (_, column) in enumerate(X.items()):
            if place in self.categories_:
                found.append(_places_of(column, self.categories_[place]))
            elif place in self.dates_:
                found.append(seconds_of(column.to_numpy("datetime64[us]")))
            elif self.maker_ is not None and place in self.maker_.texts:
                found.append(column.astype("object").to_numpy())
            elif place in self.numbers_:
                found.append(column.to_numpy(np.float64))
            else:
                found.append(np.empty(len(column)))
        return found

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        check_is_fitted(self, "maker_")
        if self.maker_ is None and input_features is not None:
            return np.asarray(input_features, dtype=object)
        return np.array(self.names_, dtype=object)

    def _learn(self, X: Any, y: Any) -> dict[int, Floats]:
        """Set what is learned; return values of training rows out of folds, by feature."""
        self._validate_params()
        self.n_features_in_ = int(np.shape(X)[1])
        self.maker_: FeatureMaker | None = None
        self.categories_: dict[int, list[str]] = {}
        self.dates_: list[int] = []
        self.numbers_: set[int] = set()
        if not isinstance(X, pd.DataFrame):
            self.names_ = [f"x{place}" for place in range(self.n_features_in_)]
            return {}
        given = [*map(str, X.columns)]
        self.feature_names_in_ = np.array(given, dtype=object)
        many = [*map(list(X.columns).index, many_categories(X, self.max_categories))]
        dates = [p for p, dtype in enumerate(X.dtypes) if dtype.kind == "M"]
        texts = [p for p, dtype in enumerate(X.dtypes) if isinstance(dtype, pd.StringDtype)]
        pairs, crossed, alone, values = self._choose(X, y, many)
        multiplied = _products(X, y) if self.products else []
        prepares = bool(pairs or crossed or alone or multiplied)
        safe = _safe_names(given, PREPARED if prepares else None)
        if not (many or dates or texts or prepares or safe != given):
            self.names_ = given
            return {}
        folds = _folds(X, y, self.random_state) if many or texts or crossed or alone else []
        names: list[str] = []
        features: list[Feature] = []
        out_of_folds: dict[int, Floats] = {}
        codes: dict[int, Floats] = {}
        tables: dict[int, TextTable] = {}
        if many:
            categories, codes, shares = _fit_shares(X, y, many, folds)
            self.categories_ |= categories
        for place, name in enumerate(safe):
            first = len(names)
            if place in many:
                width = codes[place].shape[1]
                features += [Feature("code", (place,), index) for index in range(width)]
                names += _numbered(name, "share", width)
                out_of_folds |= {first + i: shares[place][:, i] for i in range(width)}
            elif place in texts:
                column = X.iloc[:, place].astype("object").to_numpy()
                tables[place], scores = fit_text(
                    column,
                    y,
                    folds,
                    n_buckets=self.text_buckets,
                    n_topics=self.text_components,
                    C=self.text_C,
                    seed=self.random_state,
                )
                width = tables[place].width
                features += [Feature("text", (place,), index) for index in range(1 + width)]
                n_scores = scores.shape[1]
                names += [f"{name} (length)"]
                names += (
                    [f"{name} (score)"] if n_scores == 1 else _numbered(name, "score", n_scores)
                )
                names += _numbered(name, "topic", width - n_scores)
                out_of_folds |= {first + 1 + i: scores[:, i] for i in range(n_scores)}
            elif place in dates:
                seconds = seconds_of(X.iloc[:, place].to_numpy("datetime64[us]"))
                present = seconds[~np.isnan(seconds)]
                newest = float(present.max()) if len(present) else 0.0
                has_time = bool((present % DAY != 0).any())
                parts = DATE_PARTS if has_time else [p for p in DATE_PARTS if p != "hour"]
                features += [Feature(part, (place,), newest=newest) for part in parts]
                names += [f"{name} ({part})" for part in parts]
            else:
                features.append(Feature("cell", (place,)))
                names.append(name)
        for pair in combinations(dates[:MAX_DATES_WITH_PAIRS], 2):
            features.append(Feature("days_between", pair))
            names.append(f"{safe[pair[0]]} to {safe[pair[1]]} (days)")
        for take, pair in pairs:
            features.append(Feature(take, pair))
            name = f"{safe[pair[0]]} {SIGNS[take]} {safe[pair[1]]}"
            names.append(PREFIXES["combinations"] + name)
            self.numbers_.update(pair)
        for feature in multiplied:
            features.append(feature)
            name = " * ".join(safe[place] for place in feature.of)
            names.append(PREFIXES["products"] + name)
            self.numbers_.update(feature.of)
        tables_of_pairs: dict[tuple[int, int], Floats] = {}
        self.numbers_.update(values)
        for places in [*alone, *crossed]:
            table, of_rows = self._shares_of(X, y, places, folds, values)
            width = of_rows.shape[1]
            if len(places) == 1:
                codes[places[0]] = table
                kind: Take = "value_code" if places[0] in values else "code"
                features += [Feature(kind, places, index) for index in range(width)]
            else:
                tables_of_pairs[places[0], places[1]] = table
                features += [Feature("pair_code", places, index) for index in range(width)]
            out_of_folds |= {len(names) + i: of_rows[:, i] for i in range(width)}
            prefix = PREFIXES["shares" if len(places) == 1 else "interactions"]
            name = " x ".join(safe[place] for place in places)
            names += _numbered(f"{prefix}{name}", "share", width)
        self.dates_ = dates
        self.names_ = _distinct(names)
        self.maker_ = FeatureMaker(features, codes, tables, tables_of_pairs, values)
        return out_of_folds

    def _choose(
        self, X: pd.DataFrame, y: Any, many: Sequence[int]
    ) -> tuple[list[tuple[Arithmetic, Pair]], list[Pair], list[tuple[int]], dict[int, Floats]]:
        """Return arithmetic of pairs, pairs of categories, columns with shares, values of numbers.

        Sets `categories_` of the columns of categories that are used.
        """
        if not (self.combinations or self.interactions or self.shares):
            return [], [], [], {}
        classes, labels = np.unique(y, return_inverse=True)
        numbers: dict[int, Floats] = {}
        known: dict[int, list[str]] = {}
        values: dict[int, Floats] = {}
        binned: dict[int, Binned] = {}
        # A share for each of many classes is more features than rows bear.
        has_shares = len(classes) <= MAX_SCORED_CLASSES
        for place, (_, cells) in enumerate(X.items()):
            if cells.dtype.kind in "fiu":
                numbers[place] = cells.to_numpy(np.float64)
                if self.shares and has_shares:
                    present = numbers[place][~np.isnan(numbers[place])]
                    own = np.unique(present)
                    if 2 < len(own) <= min(MAX_VALUES, len(present) // MIN_ROWS_OF_VALUE):
                        values[place] = own
            elif isinstance(cells.dtype, pd.CategoricalDtype) and place not in many and has_shares:
                known[place] = sorted(map(str, cells.dropna().unique()))
                binned[place] = Binned(_places_of(cells, known[place]), len(known[place]) + 2)
        of_pairs = numbers if self.combinations else {}
        pairs, crossed = choose_pairs(
            of_pairs, binned, labels, self.combinations, self.interactions
        )
        exact = {
            place: Binned(value_rows(numbers[place], own), len(own) + 2)
            for place, own in values.items()
        }
        values = {place: values[place] for place in choose_values(numbers, binned, exact, labels)}
        alone = [(p,) for p, own in known.items() if self.shares and len(own) >= MIN_CATEGORIES]
        alone = sorted([*alone, *((place,) for place in values)])
        for places in [*alone, *crossed]:
            self.categories_ |= {place: known[place] for place in places if place in known}
        return pairs, crossed, alone, values

    def _shares_of(
        self,
        X: pd.DataFrame,
        y: Any,
        places: Sequence[int],
        folds: Splits,
        values: Mapping[int, Floats],
    ) -> tuple[Floats, Floats]:
        """Return the shares of the cells of one or two columns, and of rows out of folds.

        values : by column of numbers.
        """
        classes, labels = np.unique(y, return_inverse=True)
        sizes: list[int] = []
        codes = np.zeros(len(X), dtype=np.int64)
        for place in places:
            cells = X.iloc[:, place]
            if place in values:
                own = value_rows(cells.to_numpy(np.float64), values[place])
            else:
                own = _places_of(cells, self.categories_[place])
            sizes.append(len(values.get(place, self.categories_.get(place, ()))) + 2)
            codes = codes * sizes[-1] + own
        binned = Binned(codes, int(np.prod(sizes)))
        table, of_rows = cross_fitted_shares(binned, labels, len(classes), folds, SMOOTH)
        return table.reshape(*sizes, -1), of_rows


def has_kind(name: str, kinds: Collection[str]) -> bool:
    """Return whether a feature is not prepared, or of one of these kinds."""
    prefixes = tuple(PREFIXES[kind] for kind in kinds)
    return not name.startswith(PREPARED) or name.startswith(prefixes)


class OwnColumns(TransformerMixin, BaseEstimator):
    """Leave prepared features out, but for some kinds, and pass the other columns as they are."""

    # The exporter reads it.
    passes_columns = True

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        self.kinds = kinds

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - of the protocol
        """Learn nothing but the number of columns."""
        self.n_features_in_ = int(np.shape(X)[1])
        return self

    def transform(self, X: Any) -> Any:
        """Return the frame without prepared features of other kinds."""
        check_is_fitted(self)
        if not isinstance(X, pd.DataFrame):
            return X
        return X[[name for name in X.columns if has_kind(str(name), self.kinds)]]


def many_categories(X: pd.DataFrame, max_categories: int | None) -> list[Any]:
    """Return the columns with more categories than a model takes, as ColumnFeatures finds them."""
    return [
        name
        for name, dtype in X.dtypes.items()
        if max_categories is not None
        and isinstance(dtype, pd.CategoricalDtype)
        and len(dtype.categories) > max_categories
    ]


def _products(X: pd.DataFrame, y: Any) -> list[Feature]:
    """Return products of the numbers that say most of the target, squares too."""
    numbers: dict[int, Floats] = {}
    means: dict[int, float] = {}
    n_values: dict[int, int] = {}
    for place, (_, cells) in enumerate(X.items()):
        present = cells.dropna().to_numpy(np.float64) if cells.dtype.kind in "fiu" else np.empty(0)
        n_distinct = len(np.unique(present))
        if n_distinct > 1 and np.isfinite(mean := float(present.mean())):
            numbers[place] = cells.to_numpy(np.float64)
            means[place], n_values[place] = mean, n_distinct
    labels = np.unique(y, return_inverse=True)[1]
    chosen = combinations_with_replacement(strongest_numbers(numbers, labels), 2)
    # The square of one of two values is that value again, on another scale.
    return [
        Feature("product", (one, other), means=(means[one], means[other]))
        for one, other in chosen
        if one != other or n_values[one] > 2
    ]


def _fit_shares(
    X: pd.DataFrame, y: Any, many: Sequence[int], folds: Splits
) -> tuple[dict[int, list[str]], dict[int, Floats], dict[int, Floats]]:
    """Return by column its categories, their shares, and the shares of rows out of folds."""
    frame = pd.DataFrame({str(p): X.iloc[:, p].astype("object") for p in many}, index=X.index)
    n_rows = np.arange(len(X))
    encoder = TargetEncoder(cv=[*folds] or [(n_rows, n_rows)])
    of_rows = encoder.fit_transform(frame, y)
    if has_groups(X):
        # Whole groups are not stratified exactly. A category that the other folds lack gets their
        # share of a class, which is small where the row's own fold has many rows of that class.
        classes = np.unique(y)
        is_class = np.asarray(y)[:, None] == (classes[1:] if len(classes) == 2 else classes)
        for train, test in folds:
            of_rows[test] += np.tile(
                is_class.mean(axis=0) - is_class[train].mean(axis=0), len(many)
            )
    categories = {p: sorted(map(str, X.iloc[:, p].dropna().unique())) for p in many}
    longest = max(map(len, categories.values()))
    padded = {
        str(p): [*own, UNSEEN, *[np.nan] * (longest + 1 - len(own))]
        for p, own in categories.items()
    }
    tables = encoder.transform(pd.DataFrame(padded, dtype="object"))
    width = of_rows.shape[1] // len(many)
    columns = {p: slice(width * i, width * (i + 1)) for i, p in enumerate(many)}
    codes = {p: tables[: len(categories[p]) + 2, columns[p]].copy() for p in many}
    return categories, codes, {p: of_rows[:, columns[p]] for p in many}


def _folds(X: pd.DataFrame, y: Any, seed: Any) -> Splits:
    """Divide rows; of a class with fewer rows than folds some folds have none."""
    most = int(np.unique_counts(y).counts.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folds = InnerFolds(max(2, min(N_SPLITS, most)), shuffle=True, random_state=seed)
        return list(folds.split(X, y))


def _places_of(column: pd.Series, categories: Sequence[str]) -> NDArray[np.intp]:
    """Return the index of each category, of unseen ones, and of missing cells."""
    place_of = {name: place for place, name in enumerate(categories)}
    by_code = column.astype("category").cat
    places = [place_of.get(str(name), len(categories)) for name in by_code.categories]
    # The code of a missing cell is -1, so it takes the last entry.
    return np.array([*places, len(categories) + 1], np.intp)[by_code.codes.to_numpy()]


def _safe_names(names: Sequence[str], reserved: str | None = None) -> list[str]:
    """Return names that every library takes: where one is refused, the column's number.

    reserved : what no name begins with
    """
    # LightGBM takes spaces for underscores.
    counts = Counter(re.sub(r"\s", "_", name) for name in names)
    taken = set(names)
    found = []
    for place, name in enumerate(names):
        is_free = reserved is None or not name.startswith(reserved)
        is_safe = (
            name and is_free and not UNSAFE.search(name) and counts[re.sub(r"\s", "_", name)] == 1
        )
        found.append(name if is_safe else f"column_{place}")
        while not is_safe and found[-1] in taken:
            found[-1] += "_"
    return found


def _numbered(name: str, what: str, n: int) -> list[str]:
    """Name features of each class; for two classes there is one."""
    return [f"{name} ({what})" if n == 1 else f"{name} ({what} {i})" for i in range(n)]


def _distinct(names: Sequence[str]) -> list[str]:
    """Mark names that a column of the table has already."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        chosen = name
        while re.sub(r"\s", "_", chosen) in taken:
            chosen += "'"
        taken.add(re.sub(r"\s", "_", chosen))
        found.append(chosen)
    return found
