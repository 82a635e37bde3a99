"""Whatever stands in the files of a scorer, reading it ends soon, in a scorer or in one line."""

import json
from typing import Any

import numpy as np
import pytest

from tabproof.errors import NewerFormatError
from tabproof.scorer import Scorer, read_scorer
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import ARRAYS, SPEC
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
from tests.scorer.fitted import with_arrays

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
    # `columns`, i, `steps`, j; or `model`, `members`, m, `steps`, i, j.
    if len(path) == {"columns": 4, "model": 6}.get(path[0]) and "steps" in path[-3:-1]:
        read_scorer(with_spec(files, content))  # a column with a step less is a column
    elif path == ("calibration",):
        read_scorer(with_spec(files, content))  # older formats have none
    elif path[-1] == "steps" and path[0] == "columns":
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
def test_what_is_no_scorer_json_is_refused(text: bytes) -> None:
    refused(with_spec(BOOSTING, text))


@pytest.mark.parametrize("number", [0, 4, -1, 10**9, 2**63 - 1, -(10**40)])
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
    refused(with_spec(VOTE, changed(spec_of(VOTE), ("model", *path), value)))


@pytest.mark.parametrize("weights", [[0, 0], [1e308, 1e308], [-1, 2], [1, -0.5]])
def test_weights_that_are_no_shares_of_a_whole_are_refused(weights: list[float]) -> None:
    spec = spec_of(VOTE)
    for member, weight in zip(spec["model"]["members"], weights, strict=True):
        member["weight"] = weight
    assert "weights" in refused(with_spec(VOTE, spec))


def test_a_vote_counts_its_members() -> None:
    spec = spec_of(VOTE)
    members = spec["model"]["members"]
    assert "belongs to no member" in refused(
        with_spec(VOTE, changed(spec, ("model", "members"), members[:1]))
    )
    refused(with_spec(VOTE, changed(spec, ("model", "members"), members * 2)))
    refused(with_spec(VOTE, changed(spec, ("model", "members"), members * 5_000)))
    refused(with_spec(VOTE, changed(spec, ("model", "members"), members[::-1])))


def test_what_a_client_sends_to_a_vote_has_no_steps() -> None:
    spec = changed(spec_of(VOTE), ("columns", 0, "steps"), [["add", 1.0]])
    assert "has steps" in refused(with_spec(VOTE, spec))


def test_members_see_the_categories_of_their_columns() -> None:
    spec = changed(spec_of(VOTE), ("columns", 1, "categories"), ["a", "b"])
    assert "no table of 4 rows" in refused(with_spec(VOTE, spec))


@pytest.mark.parametrize("number", [1, 2])
def test_files_of_older_formats_are_read(number: int) -> None:
    for files in (BOOSTING, LINEAR):
        spec = {**spec_of(files), "format": number}
        del spec["calibration"]
        scorer, expected = read_scorer(with_spec(files, spec)), read_scorer(files)
        row = [40.0, 0, 20.0, 0.0, 0]
        assert scorer.predict_row(row) == expected.predict_row(row)


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
