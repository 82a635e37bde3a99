"""Pipelines of preprocessing and estimator, so that no fold leaks into another."""

import re
from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, TargetEncoder
from sklearn.utils import Bunch

from tabproof.modeling.features import PREPARED, ColumnFeatures, OwnColumns
from tabproof.modeling.folds import InnerFolds

# The names of columns that are not prepared.
OWN_COLUMNS = f"^(?!{re.escape(PREPARED)})"


def make_pipeline(
    numeric: Mapping[str, Any],
    categorical: Mapping[str, Any],
    estimator: Any,
    *,
    seed: int,
    max_categories: int | None = None,
    prepared: Mapping[str, Any] | None = None,
    uses_prepared: bool = True,
) -> Pipeline:
    """Return a pipeline of `features`, steps for numbers and for categories, and the estimator.

    `features` (ColumnFeatures) makes numbers of dates, of texts, and of columns with more than
    max_categories categories. Columns are selected by type when the pipeline is fitted, so it can
    be made before data is read. Without steps the estimator gets the frame as it is, categories
    included. Every random_state that is None becomes the seed, in nested members too.

    prepared : the parameters of ColumnFeatures for prepared features.
    uses_prepared : whether the estimator gets them; models of one search share the step.
    """
    preprocess: Any = "passthrough" if uses_prepared or not prepared else OwnColumns()
    if numeric or categorical:
        pattern = None if uses_prepared or not prepared else OWN_COLUMNS
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


def _uses_prepared(pipeline: Pipeline) -> bool:
    """Return whether prepared features are made and reach the estimator."""
    features, preprocess = pipeline["features"], pipeline["preprocess"]
    if not (features.combinations or features.interactions or features.shares):
        # There are none, so nothing has to be left out.
        return True
    if isinstance(preprocess, ColumnTransformer):
        return all(selector.pattern is None for *_, selector in preprocess.transformers)
    return not isinstance(preprocess, OwnColumns)


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
    if features[0] is not None and not any(_uses_prepared(each) for each in members.values()):
        first = [("features", features[0].without_prepared())]
    return Pipeline([*first, ("preprocess", "passthrough"), ("clf", vote)])
