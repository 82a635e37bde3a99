"""Files of models to damage. Damage must give an error of one line, quickly."""

import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from tabproof.errors import UserError
from tabproof.scorer import read_scorer
from tabproof.scorer.format import SPEC, ScorerDamagedError
from tests.scorer.fitted import boosting, exported, pipeline_of, small_boosting, table, vote_of

MODELS = ("boosting", "linear", "vote", "sigmoid", "isotonic")


@cache
def files_of(name: str) -> dict[str, bytes]:
    """Return the files of a small fitted model; shared, so never change them."""
    linear = pipeline_of("onehot", LogisticRegression())
    if name == "boosting":
        return small_boosting().files
    if name == "linear":
        return exported(linear, *table(n_rows=60)).files
    if name == "vote":
        members = {"boosting": pipeline_of("native", boosting(max_iter=3)), "linear": linear}
        return exported(vote_of(members), *table()).files
    if name == "sigmoid":
        return exported(linear, *table(n_rows=60), calibration="sigmoid").files
    assert name == "isotonic"
    pipeline = pipeline_of("native", boosting(max_iter=2))
    return exported(pipeline, *table(n_classes=3), calibration="isotonic").files


def spec_of(files: Mapping[str, bytes]) -> Any:
    return json.loads(files[SPEC])


def with_spec(files: Mapping[str, bytes], content: Any) -> dict[str, bytes]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {**files, SPEC: text}


def refused(files: Mapping[str, bytes], error: type[UserError] = ScorerDamagedError) -> str:
    """Return the message of the error, which must come quickly and need little memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(error) as caught:
            read_scorer(files)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 2
    assert peak < 50 * 2**20 + 20 * sum(map(len, files.values()))
    message = str(caught.value)
    assert "\n" not in message
    return message


def paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


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
