"""The schema of conf/ and its files; ranges, durations, and the loop that checks them."""

from dataclasses import fields
from math import inf, nan
from typing import Any

import pytest
import yaml

from docs.write_configuration import PAGE, page
from tabproof.conf_files import CONF
from tabproof.config import seconds_of
from tabproof.config.options import DURATION, GROUPS, Allowed, range_errors
from tabproof.config.schema import TrainConfig
from tests.config.composing import changed, config

SCHEMAS = [TrainConfig, *(schema for group in GROUPS.values() for schema in group.values())]


def test_the_documentation_shows_what_the_schema_states():
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_every_key_is_explained(schema):
    for field in fields(schema):
        assert len(field.metadata["doc"]) > 3, field.name


@pytest.mark.parametrize(
    "path",
    [path for group in GROUPS for path in (CONF / group).glob("*.yaml")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_file_of_a_group_names_its_schema_first(path):
    group = path.parent.name
    first = yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"][0]
    assert first.keys() == {f"/schema/{group}@_here_"}
    assert set(first.values()) <= GROUPS[group].keys()


def test_every_group_of_the_top_level_has_a_schema():
    alone = {"allow", "seed", "data_home", "export", "save_data", "skip_completed"}
    assert {field.name for field in fields(TrainConfig)} == {*alone, *GROUPS}


def test_what_decides_no_number_of_runtime_and_sweep_names_no_job():
    # A resumed sweep may be given other ones, and its jobs must keep their names.
    train = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    excluded = set(train["hydra"]["job"]["config"]["override_dirname"]["exclude_keys"])
    for group in ("runtime", "sweep"):
        for schema in GROUPS[group].values():
            assert {f"{group}.{field.name}" for field in fields(schema)} <= excluded


ROWS = Allowed(ge=1, also=("auto", "exhaust"), unit="rows")


@pytest.mark.parametrize(
    ("allowed", "inside", "outside", "text"),
    [
        (Allowed(ge=2), [2, 10**9], [1, -5, 2.0, True, "2", None], "2 or more"),
        (Allowed(ge=0, le=2**32 - 1), [0, 2**32 - 1], [-1, 2**32], "from 0 to 4294967295"),
        (Allowed(ge=0.5, le=1.0), [0.5, 1, 0.75], [0.49, 1.01, nan], "from 0.5 to 1"),
        (Allowed(gt=0.0, lt=1.0), [0.001, 0.999], [0, 0.0, 1.0, 2, nan], "between 0 and 1"),
        (Allowed(gt=0.0, le=1.0), [0.1, 1.0], [0.0, -0.1, 1.1, nan], "more than 0, at most 1"),
        (Allowed(gt=0.0, unit="seconds"), [0.1, 99], [0, inf, nan, "1"], "more than 0 seconds"),
        (Allowed(ge=1.1), [1.1, 3], [1.0, 0.0, nan, inf], "1.1 or more"),
        (Allowed(ge=100, also=(0,)), [0, 100], [1, 99, False, 0.0], "0, or 100 or more"),
        (ROWS, [1, "auto", "exhaust"], [0, 1.5, True, [1], "foo", None], "exhaust, or 1 or more"),
        (Allowed(choices=("a", "b")), ["a", "b"], ["c", "", None, ["a"]], "one of a, b"),
        (
            Allowed(pattern=DURATION, words="90s, 10m"),
            ["1s", "1d2h30m0.5s"],
            ["10", "0s", "-5m", "", 1],
            "90s, 10m",
        ),
    ],
    ids=str,
)
def test_a_value_is_allowed_up_to_the_ends_of_the_range(
    allowed: Allowed, inside: list[Any], outside: list[Any], text: str
) -> None:
    assert [value for value in inside if value not in allowed] == []
    assert [value for value in outside if value in allowed] == []
    assert text in str(allowed)


def test_every_default_is_a_value_that_its_key_takes() -> None:
    declared = [f for schema in SCHEMAS for f in fields(schema) if f.metadata["allowed"]]
    assert len(declared) > 40
    for f in declared:
        if isinstance(f.default, str | int | float) and f.default != "???":
            assert f.default in f.metadata["allowed"], f.name


def test_an_error_has_the_whole_key_and_of_a_list_the_wrong_elements() -> None:
    start = changed(config(), "evaluation.metrics", ["roc_auc", "auc"])
    ((key, value, valid),) = range_errors(changed(start, "search.time_budget", None))
    assert (key, value) == ("evaluation.metrics", ["auc"])
    assert valid.startswith("one of roc_auc")
    errors = list(range_errors(changed(start, "cv.test_size", 2.0)))
    assert [key for key, _, _ in errors] == ["cv.test_size", "evaluation.metrics"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1h30m", 5400),
        ("1d", 86400),
        ("0.5s", 0.5),
        (" 1m ", 60),
        ("30m1h", 5400),
        *((text, None) for text in ("", "10", "s", "10 parsecs", "-1s", "1.s", "1h 30m")),
        *((text, None) for text in ("0s", "0h0m", "1S", "1e3s", "∞s")),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
