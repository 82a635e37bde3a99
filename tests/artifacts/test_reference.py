"""reference.json: what is written is read again; anything else is one clear error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts.manifest import seal
from tabproof.artifacts.reference import (
    CategoryReference,
    DateReference,
    Histogram,
    NumberReference,
    Reference,
    ReferenceDamagedError,
    TextReference,
    read_reference,
)
from tabproof.errors import NewerFormatError

NAME = "reference.json"
REFERENCE = Reference(
    n_rows=20,
    columns=(
        NumberReference(name="age", edges=(18.5, 40.0), counts=(5, 6, 7), n_missing=2),
        DateReference(name="day", edges=(1_600_000_000_000_001,), counts=(8, 12), n_missing=0),
        TextReference(name="note", edges=(3, 12), counts=(5, 5, 5), n_missing=5),
        CategoryReference(
            name="職業", categories=("農家", "clerk"), counts=(8, 6), n_other=4, n_missing=2
        ),
        NumberReference(name="constant", edges=(), counts=(20,), n_missing=0),
        CategoryReference(name="id", categories=(), counts=(), n_other=20, n_missing=0),
    ),
    probabilities={
        "no": Histogram(edges=(0.5,), counts=(3, 2)),
        "yes": Histogram(edges=(0.5,), counts=(2, 3)),
    },
    labels={"no": 11, "yes": 9},
    predicted={"no": 4, "yes": 1},
)


def make_run(tmp_path: Path, content: bytes) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    (run / NAME).write_bytes(content)
    seal(run, "a1")
    return run


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, REFERENCE.to_json().encode())
    assert read_reference(run) == REFERENCE


def test_the_file_is_json_with_a_line_per_column() -> None:
    text = REFERENCE.to_json()
    assert json.loads(text)["columns"][1]["edges"] == [1_600_000_000_000_001]
    assert sum(line.startswith('{"kind"') for line in text.splitlines()) == len(REFERENCE.columns)


def test_an_older_run_and_an_unfinished_one_have_no_reference(tmp_path: Path) -> None:
    assert read_reference(tmp_path) is None
    (tmp_path / "train.log").write_text("")
    seal(tmp_path, "a1")
    assert read_reference(tmp_path) is None
    # It is not a file of this run, whoever has put it there.
    (tmp_path / NAME).write_text("{")
    assert read_reference(tmp_path) is None


def test_a_file_that_was_changed_removed_or_replaced_by_a_link_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, REFERENCE.to_json().encode())
    changed = REFERENCE.to_json().replace('"n_missing": 0', '"n_missing": 1')
    (run / NAME).write_text(changed)
    with pytest.raises(ReferenceDamagedError, match="changed"):
        read_reference(run)
    (run / NAME).rename(tmp_path / "elsewhere")
    with pytest.raises(ReferenceDamagedError, match="missing"):
        read_reference(run)
    (run / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReferenceDamagedError, match="symbolic link"):
        read_reference(run)


def test_a_later_format_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, REFERENCE.to_json().replace('"format": 1', '"format": 2').encode())
    with pytest.raises(NewerFormatError):
        read_reference(run)


def column(place: int, **changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["columns"][place].update(changes)


def top(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.update(changes)


WRONG = {
    "another number of rows": top(n_rows=19),
    "a negative count": column(0, counts=[-1, 12, 7]),
    "a count that is no integer": column(0, counts=[5.5, 5.5, 7]),
    "a huge count": column(0, counts=[5, 6, 10**30]),
    "too few counts": column(0, counts=[11, 7]),
    "edges that descend": column(0, edges=[40.0, 18.5]),
    "an edge twice": column(0, edges=[40.0, 40.0]),
    "an edge that is no number": column(0, edges=[float("nan"), 40.0]),
    "an edge without end": column(0, edges=[18.5, float("inf")]),
    "an edge as text": column(0, edges=["18.5", 40.0]),
    "too many bins": column(0, edges=list(range(40)), counts=[0] * 41),
    "no bins": column(4, counts=[]),
    "half a microsecond": column(1, edges=[1.5]),
    "an unknown kind": column(0, kind="picture"),
    "no kind": lambda content: content["columns"][0].pop("kind"),
    "a category twice": column(3, categories=["農家", "農家"]),
    "a category without a count": column(3, categories=["農家", "clerk", "cook"]),
    "too many categories": column(3, categories=[*map(str, range(101))], counts=[0] * 101),
    "a name twice": column(0, name="day"),
    "a name that is no text": column(0, name=7),
    "columns that are no list": top(columns={}),
    "labels that are a list": top(labels=["no", "yes"]),
    "a label without probabilities": top(labels={"no": 11, "yes": 8, "maybe": 1}),
    "a label without predictions": top(predicted={"no": 5}),
    "predictions of other rows": top(predicted={"no": 4, "yes": 2}),
    "no predictions": lambda content: content.pop("predicted"),
    "no format": lambda content: content.pop("format"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_content_is_one_clear_error(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    content = json.loads(REFERENCE.to_json())
    change(content)
    run = make_run(tmp_path, json.dumps(content).encode())
    with pytest.raises(ReferenceDamagedError) as raised:
        read_reference(run)
    assert NAME in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": 1, "format": 1}', b"null"],
    ids=["empty", "list", "no text", "deep", "duplicate key", "null"],
)
def test_a_file_that_is_no_json_object_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ReferenceDamagedError, match=NAME):
        read_reference(make_run(tmp_path, content))
