"""Whatever arrays a scorer has, and whatever happened to its bytes, it is read or refused."""

import struct
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.errors import NewerFormatError
from tabproof.scorer import Scorer, read_scorer
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import ARRAYS, SPEC, read_files
from tests.scorer.damage import (
    BOOSTING,
    LINEAR,
    MODELS,
    VOTE,
    changed,
    places,
    refused,
    spec_of,
    with_spec,
)
from tests.scorer.fitted import arrays_of, safetensors, with_arrays

ARRAY_NAMES = [
    pytest.param(name, array, id=f"{name}-{array}")
    for name, files in MODELS.items()
    for array in arrays_of(files)
]

# Predictions do not need them.
OPTIONAL = ("trees.covers", "means")


@pytest.mark.parametrize(("name", "array"), ARRAY_NAMES)
def test_an_array_of_another_form_is_refused(name: str, array: str) -> None:
    files = MODELS[name]
    key, found = array.replace(".", "__"), arrays_of(files)[array]
    others = [np.zeros(found.shape, np.int64), np.zeros(found.shape, np.float32), found[:0]]
    others += [found[np.newaxis], found[..., np.newaxis], np.array(found.flat[0])]
    if not array.endswith(OPTIONAL):
        others.append(None)
    if not array.endswith("trees.left_codes"):  # sets that no node names are no harm
        others.append(np.concatenate([found, found, found]))
    for other in others:
        refused(with_arrays(files, **{key: other}))


@pytest.mark.parametrize(
    "name",
    ["members.2.coefficients", "members.-1.x", "members.", "members.01.x", "members.x.y"],
)
def test_an_array_of_a_member_that_is_not_there_is_refused(name: str) -> None:
    extra = {name.replace(".", "__"): np.zeros(3)}
    assert "belongs to no member" in refused(with_arrays(VOTE, **extra))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", ["coefficients", "intercepts", "means"])
def test_weights_are_finite(array: str, value: float) -> None:
    found = arrays_of(LINEAR)[array]
    found.flat[0] = value
    refused(with_arrays(LINEAR, **{array: found}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e300])
def test_covers_are_numbers_of_rows(value: float) -> None:
    found = arrays_of(BOOSTING)["trees.covers"]
    found[3] = value
    assert "number of rows" in refused(with_arrays(BOOSTING, trees__covers=found))


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
