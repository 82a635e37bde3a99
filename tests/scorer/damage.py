"""Models to damage, and the law that damage meets: an error in one line, soon."""

import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from tabproof.errors import UserError
from tabproof.scorer import read_scorer
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import SPEC
from tests.scorer.fitted import boosting, exported, pipeline_of, small_boosting, table, vote_of

BOOSTING = small_boosting().files
LINEAR = exported(pipeline_of("onehot", LogisticRegression()), *table(n_rows=60)).files
VOTE = exported(
    vote_of(
        {
            "boosting": pipeline_of("native", boosting(max_iter=3)),
            "linear": pipeline_of("onehot", LogisticRegression()),
        }
    ),
    *table(),
).files
SIGMOID = exported(
    pipeline_of("onehot", LogisticRegression()), *table(n_rows=60), calibration="sigmoid"
).files
ISOTONIC = exported(
    pipeline_of("native", boosting(max_iter=2)), *table(n_classes=3), calibration="isotonic"
).files
MODELS = {
    "boosting": BOOSTING,
    "linear": LINEAR,
    "vote": VOTE,
    "sigmoid": SIGMOID,
    "isotonic": ISOTONIC,
}


def spec_of(files: Mapping[str, bytes]) -> Any:
    return json.loads(files[SPEC])


def with_spec(files: Mapping[str, bytes], content: Any) -> dict[str, bytes]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {**files, SPEC: text}


def refused(files: Mapping[str, bytes], error: type[UserError] = ScorerDamagedError) -> str:
    """Give the one line with which the files are refused: soon, and without taking memory."""
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(error) as caught:
            read_scorer(files)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 2
    assert peak < 50 * 2**20 + 20 * sum(map(len, files.values()))
    message = str(caught.value)
    assert "\n" not in message
    return message


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of all that stands in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any = None, *, remove: bool = False) -> Any:
    copy = deepcopy(content)
    node = copy
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return copy
