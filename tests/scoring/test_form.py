"""Whatever stands in the files of a scorer, reading it ends soon, in a scorer or in one line."""

import json
import struct
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from src.errors import NewerFormatError, ScorerDamagedError, UserError
from src.scoring import Scorer, read_scorer
from src.scoring.encoding import CategoryEncoding
from src.scoring.form import ARRAYS, SPEC, read_files
from tests.scoring.fitted import (
    arrays_of,
    exported,
    pipeline_of,
    safetensors,
    small_boosting,
    table,
    with_arrays,
)

BOOSTING = small_boosting().files
LINEAR = exported(pipeline_of("onehot", LogisticRegression()), *table(n_rows=60)).files
MODELS = {"boosting": BOOSTING, "linear": LINEAR}


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


FIELDS = [
    pytest.param(name, path, id=f"{name}-{'.'.join(map(str, path))}")
    for name, files in MODELS.items()
    for path in places(spec_of(files))
]


@pytest.mark.parametrize("name", MODELS)
def test_what_was_written_is_read(name: str) -> None:
    assert isinstance(read_scorer(MODELS[name]), Scorer)


@pytest.mark.parametrize(("name", "path"), FIELDS)
def test_no_field_can_be_left_out(name: str, path: tuple[Any, ...]) -> None:
    files = MODELS[name]
    content = changed(spec_of(files), path, remove=True)
    if len(path) == 4 and path[2] == "steps":
        read_scorer(with_spec(files, content))  # a column with a step less is a column
    elif path[-1] == "steps":
        assert not read_scorer(with_spec(files, content)).columns[path[1]].steps  # type: ignore[union-attr]
    else:
        refused(with_spec(files, content))


WRONG: list[Any] = [None, True, -1, 1.5, "text", [], {}, [[]], [{}], [1], ["a"], {"kind": "trees"}]


@pytest.mark.parametrize(("name", "path"), FIELDS)
def test_a_field_of_another_type_is_refused_or_harmless(name: str, path: tuple[Any, ...]) -> None:
    files = MODELS[name]
    spec = spec_of(files)
    old = spec
    for key in path:
        old = old[key]
    for wrong in WRONG:
        try:
            read_scorer(with_spec(files, changed(spec, path, wrong)))
        except (ScorerDamagedError, NewerFormatError):
            continue
        else:
            # Another name or another number: of the right type after all.
            number = isinstance(old, int | float) and isinstance(wrong, int | float)
            assert number or type(wrong) is type(old), f"{path}={wrong!r} was accepted"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"null",
        b"1",
        b"[]",
        b"{}",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"format": 1, "labels": ' + b"[" * 100_000,
        b'{"format": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"format": ' + b'{"format": ' * 100_000 + b"1" + b"}" * 100_001,
        b'{"format": 1e400}',
        b'{"format": ' + b"9" * 100_000 + b"}",
        b'{"format": 1.5}',
        b'{"format": "1"}',
        b'{"format": true}',
        b'{"format": 1}',
        b'{"format": 1} trailing',
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"format": 1}',
        b'{"format": 1, "labels": ["\xff"]}',
        b'{"format": 1, "labels": ["\\ud800"]}',
        b"\x80\x04K\x01.",
        b"NaN",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_scorer_json_is_refused(text: bytes) -> None:
    refused(with_spec(BOOSTING, text))


@pytest.mark.parametrize("number", [0, 2, -1, 10**9, 2**63 - 1, -(10**40)])
def test_another_format_is_told_as_such(number: int) -> None:
    spec = {"format": number, "whatever": "comes"}
    assert f"format {number}" in refused(with_spec(BOOSTING, spec), NewerFormatError)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "NaN", "Infinity", '"1"'])
@pytest.mark.parametrize("key", ["threshold", "baseline", "step"])
def test_a_number_that_is_none_is_refused(key: str, number: str) -> None:
    spec = spec_of(BOOSTING if key != "step" else LINEAR)
    if key == "threshold":
        spec["threshold"] = "@"
    elif key == "baseline":
        spec["model"]["baseline"] = ["@"]
    else:
        spec["columns"][0]["steps"][0][1] = "@"
    text = json.dumps(spec).replace('"@"', number).encode()
    refused(with_spec(BOOSTING if key != "step" else LINEAR, text))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("labels",), ["one"]),
        (("labels",), []),
        (("labels",), ["same", "same"]),
        (("labels",), ["a", "b", "c"]),
        (("threshold",), None),
        (("columns",), []),
        (("columns", 0, "name"), "都市"),
        (("columns", 0, "kind"), "category"),
        (("columns", 1, "kind"), "number"),
        (("columns", 1, "categories"), []),
        (("columns", 1, "categories"), ["a"] * 5),
        (("columns", 0, "steps"), [["eval", 1.0]]),
        (("columns", 0, "steps"), [["add"]]),
        (("columns", 0, "steps"), [["add", 1.0, 2.0]]),
        (("columns", 0, "steps"), [["divide", 0.0]]),
        (("columns", 0, "steps"), [["divide", -0.0]]),
        (("model", "kind"), "linear"),
        (("model", "kind"), "pickle"),
        (("model", "link"), "softmax"),
        (("model", "link"), "identity"),
        (("model", "baseline"), []),
        (("model", "baseline"), [0.0, 0.0]),
        (("model", "n_groups"), 0),
        (("model", "n_groups"), -1),
        (("model", "n_groups"), 2),
        (("model", "n_groups"), 2**62),
        (("model", "n_groups"), 2**80),
    ],
    ids=str,
)
def test_fields_that_do_not_fit_together_are_refused(path: tuple[Any, ...], value: Any) -> None:
    refused(with_spec(BOOSTING, changed(spec_of(BOOSTING), path, value)))


@pytest.mark.parametrize("name", [SPEC, ARRAYS])
def test_both_files_are_needed(name: str) -> None:
    assert name in refused({k: v for k, v in BOOSTING.items() if k != name})
    refused({})


def test_what_a_later_version_may_add_is_passed_over() -> None:
    spec = {**spec_of(BOOSTING), "comment": {"any": ["thing"]}}
    files = with_arrays(with_spec(BOOSTING, spec), extra=np.zeros(3))
    assert read_scorer(files).predict_row([40, 0, 20, 0, 0]) == read_scorer(BOOSTING).predict_row(
        [40, 0, 20, 0, 0]
    )


ARRAY_NAMES = [
    pytest.param(name, array, id=f"{name}-{array}")
    for name, files in MODELS.items()
    for array in arrays_of(files)
]


@pytest.mark.parametrize(("name", "array"), ARRAY_NAMES)
def test_an_array_of_another_form_is_refused(name: str, array: str) -> None:
    files = MODELS[name]
    key, found = array.replace(".", "__"), arrays_of(files)[array]
    others = [None, np.zeros(found.shape, np.int64), np.zeros(found.shape, np.float32), found[:0]]
    others += [found[np.newaxis], found[..., np.newaxis], np.array(found.flat[0])]
    if array != "trees.left_codes":  # sets that no node names are no harm
        others.append(np.concatenate([found, found, found]))
    for other in others:
        refused(with_arrays(files, **{key: other}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", ["coefficients", "intercepts"])
def test_weights_are_finite(array: str, value: float) -> None:
    found = arrays_of(LINEAR)[array]
    found.flat[0] = value
    refused(with_arrays(LINEAR, **{array: found}))


CONTENT = BOOSTING[ARRAYS]
(HEADER,) = struct.unpack("<Q", CONTENT[:8])


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 8 + HEADER - 1, 8 + HEADER, len(CONTENT) - 1])
def test_a_truncated_file_is_refused(kept: int) -> None:
    refused({**BOOSTING, ARRAYS: CONTENT[:kept]})


@pytest.mark.parametrize(
    "content",
    [
        b"\x00" * 8,
        b"\x00" * 1000,
        b"\xff" * 1000,
        struct.pack("<Q", 2**63) + CONTENT[8:],
        struct.pack("<Q", 2**64 - 1) + CONTENT[8:],
        struct.pack("<Q", 10**8) + CONTENT[8:],
        struct.pack("<Q", len(CONTENT)) + CONTENT[8:],
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        struct.pack("<Q", 100_000) + b'{"a":' * 20_000,
        CONTENT + b"more",
        b"\x80\x04K\x01." * 10,
    ],
    ids=lambda content: f"{content[:8].hex()}-{len(content)}",
)
def test_what_is_no_safetensors_is_refused(content: bytes) -> None:
    refused({**BOOSTING, ARRAYS: content})


@pytest.mark.parametrize(
    "claim",
    [
        {"shape": [2**40]},
        {"shape": [2**63]},
        {"shape": [2**64]},
        {"shape": [2**32, 2**32]},
        {"shape": [0, 2**62]},
        {"shape": [-1]},
        {"shape": "all"},
        {"shape": [1.5]},
        {"dtype": "F128"},
        {"dtype": "BF16"},
        {"dtype": "F8_E4M3"},
        {"dtype": "BOOL"},
        {"dtype": "C64"},
        {"dtype": "object"},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": []},
    ],
    ids=str,
)
@pytest.mark.parametrize("array", ["trees.threshold", "trees.n_nodes", "codes.1"])
def test_claims_of_the_header_are_not_believed(array: str, claim: dict[str, Any]) -> None:
    content = safetensors(arrays_of(BOOSTING), **{array.replace(".", "__"): claim})
    refused({**BOOSTING, ARRAYS: content})


def answers(scorer: Scorer) -> None:
    """Ask once, alone and in a batch."""
    row = [
        float(column.unseen) if isinstance(column, CategoryEncoding) else 1.5
        for column in scorer.columns
    ]
    alone = scorer.predict_row(row)
    batch = scorer.predict_proba([np.array([value]) for value in row])
    assert len(alone) == len(scorer.labels)
    assert batch.shape == (1, len(scorer.labels))
    assert scorer.label_of(alone) in scorer.labels


def read_or_refused(files: Mapping[str, bytes]) -> None:
    started = time.perf_counter()
    # Numbers of a damaged file may overflow, which numpy remarks on; it is no exception.
    with warnings.catch_warnings(), suppress(ScorerDamagedError, NewerFormatError):
        warnings.simplefilter("ignore", RuntimeWarning)
        answers(read_scorer(files))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bytes_changed_at_random(name: str, data: st.DataObject) -> None:
    files = dict(MODELS[name])
    file = data.draw(st.sampled_from([SPEC, ARRAYS]))
    content = bytearray(files[file])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused({**files, file: bytes(content)})


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_random_bytes(spec: bytes, arrays: bytes) -> None:
    refused_spec = {SPEC: spec, ARRAYS: CONTENT}
    refused_arrays = {SPEC: BOOSTING[SPEC], ARRAYS: arrays}
    for files in (refused_spec, refused_arrays):
        with pytest.raises((ScorerDamagedError, NewerFormatError)):
            read_files(files)


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_numbers_changed_at_random(name: str, data: st.DataObject) -> None:
    arrays = arrays_of(MODELS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        array = data.draw(st.sampled_from([a for a in arrays.values() if a.size]))
        place = data.draw(st.integers(0, array.size - 1))
        if array.dtype.kind == "f":
            array.flat[place] = data.draw(st.floats())
        else:
            info = np.iinfo(array.dtype)
            near = st.integers(max(info.min, -3), min(info.max, 40))
            array.flat[place] = data.draw(near | st.integers(info.min, info.max))
    read_or_refused({**MODELS[name], ARRAYS: safetensors(arrays)})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_fields_changed_at_random(name: str, data: st.DataObject) -> None:
    spec = spec_of(MODELS[name])
    path = data.draw(st.sampled_from(list(places(spec))))
    read_or_refused(with_spec(MODELS[name], changed(spec, path, data.draw(json_values))))
