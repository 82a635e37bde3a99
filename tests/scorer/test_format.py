"""Any files of a scorer are read, or refused quickly with one line."""

import json
import struct
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.errors import NewerFormatError
from tabproof.scorer import Scorer, read_scorer
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.format import ARRAYS, SPEC, ScorerDamagedError, read_files
from tests.scorer.damage import MODELS, changed, files_of, paths, refused, spec_of, with_spec
from tests.scorer.fitted import arrays_of, mixed_boosting, safetensors, with_arrays


@pytest.mark.parametrize("name", MODELS)
def test_written_files_are_read(name: str) -> None:
    assert isinstance(read_scorer(files_of(name)), Scorer)


@pytest.mark.parametrize("name", MODELS)
def test_no_field_can_be_left_out(name: str) -> None:
    files = files_of(name)
    for path in paths(spec_of(files)):
        content = changed(spec_of(files), path, remove=True)
        # `columns`, i, `steps`, j; or `model`, `members`, m, `steps`, i, j.
        if len(path) == {"columns": 4, "model": 6}.get(path[0]) and "steps" in path[-3:-1]:
            read_scorer(with_spec(files, content))  # a column with a step less is a column
        elif path in (("calibration",), ("inputs",), ("features",)):
            read_scorer(with_spec(files, content))  # older formats have none
        elif path[-1] == "steps" and path[0] == "columns":
            assert not read_scorer(with_spec(files, content)).columns[path[1]].steps  # type: ignore[union-attr]
        else:
            refused(with_spec(files, content))


WRONG: list[Any] = [None, True, -1, 1.5, "text", [], {}, [[]], [{}], [1], ["a"], {"kind": "trees"}]


@pytest.mark.parametrize("name", MODELS)
def test_a_field_of_another_type_is_refused_or_harmless(name: str) -> None:
    files = files_of(name)
    spec = spec_of(files)
    for path in paths(spec):
        old = reduce(getitem, path, spec)
        for wrong in WRONG:
            try:
                read_scorer(with_spec(files, changed(spec, path, wrong)))
            except (ScorerDamagedError, NewerFormatError):
                continue
            # Another name or another number: it has the right type after all.
            number = isinstance(old, int | float) and isinstance(wrong, int | float)
            left_out = path == ("calibration",) and wrong is None
            same = number or left_out or type(wrong) is type(old)
            assert same, f"{path}={wrong!r} was accepted"


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
def test_invalid_json_is_refused(text: bytes) -> None:
    refused(with_spec(files_of("boosting"), text))


@pytest.mark.parametrize("number", [0, 6, -1, 10**9, 2**63 - 1, -(10**40)])
def test_an_unknown_format_is_named(number: int) -> None:
    spec = {"format": number, "whatever": "comes"}
    assert f"format {number}" in refused(with_spec(files_of("boosting"), spec), NewerFormatError)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "NaN", "Infinity", '"1"'])
@pytest.mark.parametrize("key", ["threshold", "baseline", "step"])
def test_an_invalid_number_is_refused(key: str, number: str) -> None:
    files = files_of("boosting" if key != "step" else "linear")
    spec = spec_of(files)
    if key == "threshold":
        spec["threshold"] = "@"
    elif key == "baseline":
        spec["model"]["baseline"] = ["@"]
    else:
        spec["columns"][0]["steps"][0][1] = "@"
    text = json.dumps(spec).replace('"@"', number).encode()
    refused(with_spec(files, text))


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
    refused(with_spec(files_of("boosting"), changed(spec_of(files_of("boosting")), path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("members",), []),
        (("members", 0), None),
        (("members", 0, "weight"), -1.0),
        (("members", 0, "weight"), True),
        (("members", 0, "weight"), "1"),
        (("members", 0, "steps"), []),
        (("members", 0, "steps"), [[]] * 4),
        (("members", 0, "steps"), [[]] * 6),
        (("members", 0, "steps"), [[]] * 100_000),
        (("members", 0, "steps", 1), [["add", 1.0]]),
        (("members", 0, "steps", 0), [["divide", 0.0]]),
        (("members", 0, "model"), {"kind": "vote", "members": []}),
        (("members", 0, "model"), {"kind": "linear", "link": "logistic"}),
        (("members", 0, "model", "link"), "softmax"),
        (("members", 0, "model", "baseline"), []),
        (("members", 1, "model", "link"), "mean"),
        (("kind",), "trees"),
        (("kind",), "linear"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_members_that_do_not_fit_together_are_refused(path: tuple[Any, ...], value: Any) -> None:
    refused(
        with_spec(files_of("vote"), changed(spec_of(files_of("vote")), ("model", *path), value))
    )


@pytest.mark.parametrize("weights", [[0, 0], [1e308, 1e308], [-1, 2], [1, -0.5]])
def test_invalid_weights_are_refused(weights: list[float]) -> None:
    spec = spec_of(files_of("vote"))
    for member, weight in zip(spec["model"]["members"], weights, strict=True):
        member["weight"] = weight
    assert "weights" in refused(with_spec(files_of("vote"), spec))


def test_arrays_and_members_of_a_vote_must_match() -> None:
    spec = spec_of(files_of("vote"))
    members = spec["model"]["members"]
    assert "belongs to no member" in refused(
        with_spec(files_of("vote"), changed(spec, ("model", "members"), members[:1]))
    )
    refused(with_spec(files_of("vote"), changed(spec, ("model", "members"), members * 2)))
    refused(with_spec(files_of("vote"), changed(spec, ("model", "members"), members * 2_000)))
    refused(with_spec(files_of("vote"), changed(spec, ("model", "members"), members[::-1])))


def test_columns_of_a_vote_have_no_steps() -> None:
    spec = changed(spec_of(files_of("vote")), ("columns", 0, "steps"), [["add", 1.0]])
    assert "has steps" in refused(with_spec(files_of("vote"), spec))


def test_tables_of_members_have_a_row_per_category_of_the_vote() -> None:
    spec = changed(spec_of(files_of("vote")), ("columns", 1, "categories"), ["a", "b"])
    assert "no table of 4 rows" in refused(with_spec(files_of("vote"), spec))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_files_of_older_formats_are_read(number: int) -> None:
    for files in (files_of("boosting"), files_of("linear")):
        spec = {**spec_of(files), "format": number}
        del spec["calibration"], spec["inputs"], spec["features"]
        scorer, expected = read_scorer(with_spec(files, spec)), read_scorer(files)
        row = [40.0, 0, 20.0, 0.0, 0]
        assert scorer.predict_row(row) == expected.predict_row(row)


@pytest.mark.parametrize("name", [SPEC, ARRAYS])
def test_both_files_are_required(name: str) -> None:
    assert name in refused({k: v for k, v in files_of("boosting").items() if k != name})
    refused({})


def changed_mixed(*path: Any, to: Any) -> dict[str, bytes]:
    files = mixed_boosting().files
    return with_spec(files, changed(spec_of(files), path, to))


def test_features_fit_inputs_and_columns() -> None:
    spec = spec_of(mixed_boosting().files)
    takes = [feature["take"] for feature in spec["features"]]
    for place, feature in enumerate(spec["features"]):
        refused(changed_mixed("features", place, "of", to=[99]))
        refused(changed_mixed("features", place, "of", to=[-1]))
        refused(changed_mixed("features", place, "of", to=[*feature["of"], 0]))
        refused(changed_mixed("features", place, "take", to="hours"))
    refused(changed_mixed("features", takes.index("text"), "index", to=9))
    refused(changed_mixed("features", takes.index("code"), "index", to=9))
    refused(changed_mixed("features", takes.index("cell"), "take", to="days"))
    refused(changed_mixed("features", to=spec["features"][1:]))
    refused(changed_mixed("features", to=[]))
    refused(changed_mixed("inputs", 0, "name", to="remarks"))
    refused(changed_mixed("inputs", 1, "categories", to=["a"]))


def test_a_damaged_table_of_a_text_is_refused() -> None:
    files = mixed_boosting().files
    place = [column["kind"] for column in spec_of(files)["inputs"]].index("text")
    prefix = f"inputs__{place}__"
    buckets = arrays_of(files)[f"inputs.{place}.buckets"]
    for name, array in {
        "buckets": buckets[::-1],
        "idf": np.zeros(len(buckets)),
        "table": np.full((len(buckets), 1), np.nan),
    }.items():
        refused(with_arrays(files, **{prefix + name: array}))
        refused(with_arrays(files, **{prefix + name: array[:-1]}))
        refused(with_arrays(files, **{prefix + name: None}))


def test_unknown_fields_and_arrays_are_ignored() -> None:
    spec = {**spec_of(files_of("boosting")), "comment": {"any": ["thing"]}}
    files = with_arrays(with_spec(files_of("boosting"), spec), extra=np.zeros(3))
    assert read_scorer(files).predict_row([40, 0, 20, 0, 0]) == read_scorer(
        files_of("boosting")
    ).predict_row([40, 0, 20, 0, 0])


# Predictions do not need them.
OPTIONAL = ("trees.covers", "means")


@pytest.mark.parametrize("name", MODELS)
def test_an_array_of_another_shape_or_type_is_refused(name: str) -> None:
    files = files_of(name)
    for array, found in arrays_of(files).items():
        others = [np.zeros(found.shape, np.int64), np.zeros(found.shape, np.float32), found[:0]]
        others += [found[np.newaxis], found[..., np.newaxis], np.array(found.flat[0])]
        if not array.endswith(OPTIONAL):
            others.append(None)
        if not array.endswith("trees.left_codes"):  # unused sets are harmless
            others.append(np.concatenate([found, found, found]))
        for other in others:
            refused(with_arrays(files, **{array.replace(".", "__"): other}))


@pytest.mark.parametrize(
    "name",
    ["members.2.coefficients", "members.-1.x", "members.", "members.01.x", "members.x.y"],
)
def test_an_array_of_an_unknown_member_is_refused(name: str) -> None:
    extra = {name.replace(".", "__"): np.zeros(3)}
    assert "belongs to no member" in refused(with_arrays(files_of("vote"), **extra))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", ["coefficients", "intercepts", "means"])
def test_infinite_weights_are_refused(array: str, value: float) -> None:
    found = arrays_of(files_of("linear"))[array]
    found.flat[0] = value
    refused(with_arrays(files_of("linear"), **{array: found}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e300])
def test_invalid_covers_are_refused(value: float) -> None:
    found = arrays_of(files_of("boosting"))["trees.covers"]
    found[3] = value
    assert "number of rows" in refused(with_arrays(files_of("boosting"), trees__covers=found))


def test_a_truncated_file_is_refused() -> None:
    content = files_of("boosting")[ARRAYS]
    (header,) = struct.unpack("<Q", content[:8])
    for kept in (0, 1, 7, 8, 9, 8 + header - 1, 8 + header, len(content) - 1):
        refused({**files_of("boosting"), ARRAYS: content[:kept]})


def test_an_invalid_safetensors_file_is_refused() -> None:
    content = files_of("boosting")[ARRAYS]
    lengths = (2**63, 2**64 - 1, 10**8, len(content))
    for damaged in (
        b"\x00" * 8,
        b"\x00" * 1000,
        b"\xff" * 1000,
        *(struct.pack("<Q", length) + content[8:] for length in lengths),
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        struct.pack("<Q", 100_000) + b'{"a":' * 20_000,
        content + b"more",
        b"\x80\x04K\x01." * 10,
    ):
        refused({**files_of("boosting"), ARRAYS: damaged})


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
def test_a_wrong_header_is_refused(array: str, claim: dict[str, Any]) -> None:
    content = safetensors(arrays_of(files_of("boosting")), **{array.replace(".", "__"): claim})
    refused({**files_of("boosting"), ARRAYS: content})


def predict(scorer: Scorer) -> None:
    """Predict once alone and once in a batch."""
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
    # Numbers of a damaged file may overflow; NumPy's warning about it is no error.
    with warnings.catch_warnings(), suppress(ScorerDamagedError, NewerFormatError):
        warnings.simplefilter("ignore", RuntimeWarning)
        predict(read_scorer(files))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
def test_bytes_changed_at_random(name: str, data: st.DataObject) -> None:
    files = dict(files_of(name))
    file = data.draw(st.sampled_from([SPEC, ARRAYS]))
    content = bytearray(files[file])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused({**files, file: bytes(content)})


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_random_bytes(spec: bytes, arrays: bytes) -> None:
    files = files_of("boosting")
    for damaged in ({**files, SPEC: spec}, {**files, ARRAYS: arrays}):
        with pytest.raises((ScorerDamagedError, NewerFormatError)):
            read_files(damaged)


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
def test_numbers_changed_at_random(name: str, data: st.DataObject) -> None:
    arrays = arrays_of(files_of(name))
    for _ in range(data.draw(st.integers(1, 3))):
        array = data.draw(st.sampled_from([a for a in arrays.values() if a.size]))
        place = data.draw(st.integers(0, array.size - 1))
        if array.dtype.kind == "f":
            array.flat[place] = data.draw(st.floats())
        else:
            info = np.iinfo(array.dtype)
            near = st.integers(max(info.min, -3), min(info.max, 40))
            array.flat[place] = data.draw(near | st.integers(info.min, info.max))
    read_or_refused({**files_of(name), ARRAYS: safetensors(arrays)})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("name", MODELS)
@given(st.data())
def test_fields_changed_at_random(name: str, data: st.DataObject) -> None:
    spec = spec_of(files_of(name))
    path = data.draw(st.sampled_from(list(paths(spec))))
    read_or_refused(with_spec(files_of(name), changed(spec, path, data.draw(json_values))))
