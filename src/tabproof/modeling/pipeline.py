"""Pipelines of preprocessing and estimator, so that no fold leaks into another."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, TargetEncoder
from sklearn.utils import Bunch

from tabproof.modeling.features import PREFIXES, PREPARED, ColumnFeatures, OwnColumns
from tabproof.modeling.folds import InnerFolds


def make_pipeline(
    numeric: Mapping[str, Any],
    categorical: Mapping[str, Any],
    estimator: Any,
    *,
    seed: int,
    max_categories: int | None = None,
    prepared: Mapping[str, Any] | None = None,
    uses: Collection[str] = tuple(PREFIXES),
) -> Pipeline:
    """Return a pipeline of `features`, steps for numbers and for categories, and the estimator.

    `features` (ColumnFeatures) makes numbers of dates, of texts, and of columns with more than
    max_categories categories. Columns are selected by type when the pipeline is fitted, so it can
    be made before data is read. Without steps the estimator gets the frame as it is, categories
    included. Every random_state that is None becomes the seed, in nested members too.

    prepared : the parameters of ColumnFeatures for prepared features.
    uses : the kinds of them that the estimator gets; models of one search share the step.
    """
    used = [kind for kind in PREFIXES if kind in uses]
    gets_all = {*used} >= {kind for kind, value in (prepared or {}).items() if value}
    preprocess: Any = "passthrough" if gets_all else OwnColumns(used)
    if numeric or categorical:
        pattern = None if gets_all else _pattern_of(used)
        numeric_steps, categorical_steps = (
            Pipeline([*steps.items()]) if steps else "passthrough"
            for steps in (numeric, categorical)
        )
        preprocess = ColumnTransformer(
            [
                ("numeric", numeric_steps, make_column_selector(pattern, dtype_include="number")),
                (
                    "categorical",
                    categorical_steps,
                    make_column_selector(pattern, dtype_include="category"),
                ),
            ],
            verbose_feature_names_out=False,
        )
    features = ColumnFeatures(max_categories, **(prepared or {}))
    pipeline = Pipeline([("features", features), ("preprocess", preprocess), ("clf", estimator)])
    chosen: dict[str, Any] = {}
    for name, value in pipeline.get_params().items():
        if name.endswith("__random_state") and value is None:
            chosen[name] = seed
        elif draws_its_folds(value):
            chosen[f"{name}__cv"] = InnerFolds(value.cv, shuffle=True, random_state=seed)
    return pipeline.set_params(**chosen)


def _pattern_of(kinds: Collection[str]) -> str:
    """Return the pattern of columns that are not prepared, or of one of these kinds."""
    allowed = "|".join(re.escape(PREFIXES[kind]) for kind in kinds)
    own = f"^(?!{re.escape(PREPARED)})"
    return f"{own}|^(?:{allowed})" if allowed else own


def _used_kinds(pipeline: Pipeline) -> set[str]:
    """Return the kinds of prepared features that are made and reach the estimator."""
    features, preprocess = pipeline["features"], pipeline["preprocess"]
    kinds = {kind for kind in PREFIXES if getattr(features, kind)}
    if isinstance(preprocess, ColumnTransformer):
        patterns = [selector.pattern or "" for *_, selector in preprocess.transformers]
        return {k for k in kinds if all(re.search(pattern, PREFIXES[k]) for pattern in patterns)}
    return kinds & {*preprocess.kinds} if isinstance(preprocess, OwnColumns) else kinds


def draws_its_folds(part: Any) -> bool:
    """Return whether a step is a TargetEncoder with a number of folds, shuffled without a seed."""
    # Not by its random_state, which is deprecated in scikit-learn 1.9 and no longer None.
    return isinstance(part, TargetEncoder) and isinstance(part.cv, int)


def join_fitted(members: Mapping[str, Pipeline], weights: Mapping[str, float]) -> Pipeline:
    """Join pipelines that were fitted on the same rows, without fitting them again.

    The result is the one that `fit` would give: a clone can be fitted, and it is exported like any
    vote. The classes are 0, 1, …. All members make the same features of columns, which the result
    makes once, before the vote.
    """
    # Pipelines of other steps may be without it.
    features = [each.named_steps.get("features") for each in members.values()]
    described = {each and repr(sorted(each.get_params().items())) for each in features}
    if len(described) > 1:
        raise ValueError("the members make other features of the same columns")
    shares = [float(weights[name]) for name in members]
    rest = dict(members) if features[0] is None else {k: v[1:] for k, v in members.items()}
    vote = VotingClassifier([*rest.items()], voting="soft", weights=shares)
    vote.estimators_ = [*rest.values()]
    vote.named_estimators_ = Bunch(**rest)
    vote.le_ = LabelEncoder().fit(vote.estimators_[0].classes_)
    vote.classes_ = vote.le_.classes_
    first = [] if features[0] is None else [("features", features[0])]
    if features[0] is not None:
        used = set().union(*(_used_kinds(each) for each in members.values()))
        if any(getattr(features[0], kind) for kind in {*PREFIXES} - used):
            first = [("features", features[0].with_prepared(used))]
    return Pipeline([*first, ("preprocess", "passthrough"), ("clf", vote)])
