"""Export VotingClassifier: pipelines whose probabilities are averaged."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from src.scoring.encoding import CategoryEncoding, Encoding, NumberEncoding, bare_codes, codes_name
from src.scoring.export.columns import categories_of
from src.scoring.form import Arrays, MemberSpec, SingleSpec, VoteSpec, of_member

STEPS = ["preprocess", "clf"]


class ExportedMember(NamedTuple):
    """A member as a model of its own."""

    spec: SingleSpec
    arrays: Arrays
    encodings: Sequence[Encoding]


def obstacle(estimator: VotingClassifier, *, passes: bool) -> str | None:
    """Name what of the vote itself has no data-only form; its members are asked for theirs."""
    if not passes:
        return "preprocess before a vote"
    if estimator.voting != "soft":
        return f"model.estimator.voting={estimator.voting}"
    if estimator.weights is not None and min(estimator.weights) < 0:
        return "model.estimator.weights below zero"
    for name, member in _voters(estimator):
        if not isinstance(member, Pipeline) or [*member.named_steps] != STEPS:
            return f"model.members.{name}: {type(member).__name__}"
        if isinstance(member["clf"], VotingClassifier):
            return f"model.members.{name}: a vote among members of a vote"
    kinds = {type(member["clf"]).__name__ for _, member in _voters(estimator)}
    if estimator.weights is None and kinds == {"XGBClassifier"}:
        # numpy averages 32-bit floats in 32 bits, unless they are weighted.
        return "model.estimator.weights=null for members that are all XGBClassifier"
    return None


def members_of(estimator: VotingClassifier) -> Iterator[tuple[str, Pipeline]]:
    """Give its members by name: the fitted ones where it is fitted."""
    names, members = zip(*_voters(estimator), strict=True)
    yield from zip(names, getattr(estimator, "estimators_", members), strict=True)


def _voters(estimator: VotingClassifier) -> list[tuple[str, Pipeline]]:
    # A search can leave members out: scikit-learn's word for that is `drop`.
    return [(name, member) for name, member in estimator.estimators if member != "drop"]


def join(
    estimator: VotingClassifier, members: Sequence[ExportedMember], X: pd.DataFrame
) -> tuple[VoteSpec, Arrays, Sequence[Encoding]]:
    """Give the vote of exported members, and the columns that a client sends."""
    columns = [_bare(str(name), X[name]) for name in X.columns]
    arrays: Arrays = {}
    specs = []
    for place, (weight, member) in enumerate(zip(_weights(estimator), members, strict=True)):
        steps = [[*e.steps] if isinstance(e, NumberEncoding) else [] for e in member.encodings]
        specs.append(MemberSpec(weight, steps, member.spec))
        arrays |= of_member(place, {**_tables(columns, member.encodings), **member.arrays})
    return VoteSpec(specs), arrays, columns


def _weights(estimator: VotingClassifier) -> list[float]:
    if estimator.weights is None:
        return [1.0] * len(_voters(estimator))
    pairs = zip(estimator.estimators, estimator.weights, strict=True)
    return [float(weight) for (_, member), weight in pairs if member != "drop"]


def _bare(name: str, column: pd.Series) -> Encoding:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return NumberEncoding(name, ())
    categories = categories_of(column)
    return CategoryEncoding(name, tuple(categories), bare_codes(len(categories)))


def _tables(columns: Sequence[Encoding], encodings: Sequence[Encoding]) -> Arrays:
    """Give a member's tables by the vote's categories, of which it may not have met all."""
    tables: Arrays = {}
    for place, (column, own) in enumerate(zip(columns, encodings, strict=True)):
        if isinstance(column, CategoryEncoding) and isinstance(own, CategoryEncoding):
            rows = [own.place_of.get(category, own.unseen) for category in column.categories]
            rows += [own.unseen, own.missing]
            tables[codes_name(place)] = own.codes[np.array(rows, dtype=np.intp)]
    return tables
