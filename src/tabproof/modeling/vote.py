"""Join fitted pipelines into one that averages their probabilities."""

from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch


def join_fitted(members: Mapping[str, Pipeline], weights: Mapping[str, float]) -> Pipeline:
    """Join fitted pipelines without fitting them again; those without a weight are left out.

    All must have been fitted on the same columns and on the same classes 0, 1, …. The result is
    the one that `fit` would give: a clone can be fitted, and it is exported like any vote.
    """
    voters = {name: member for name, member in members.items() if weights.get(name, 0) > 0}
    if not voters:
        raise ValueError("no member has a weight above 0")
    classes = next(iter(voters.values())).classes_
    for name, member in voters.items():
        if not np.array_equal(member.classes_, classes):
            raise ValueError(f"{name} was fitted on {member.classes_}, not on {classes}")
    vote = VotingClassifier(
        [*voters.items()], voting="soft", weights=[float(weights[name]) for name in voters]
    )
    vote.estimators_ = [*voters.values()]
    vote.named_estimators_ = Bunch(**voters)
    vote.le_ = LabelEncoder().fit(classes)
    vote.classes_ = vote.le_.classes_
    return Pipeline([("preprocess", "passthrough"), ("clf", vote)])
