import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.data import Division, StratifiedRows, check, divide, load_builtin, load_openml
from tabproof.data.findings import SENTENCES
from tabproof.data.table import Wishes, make_table
from tabproof.errors import UserError
from tests.conftest import OPENML_HOME, needs_openml_home
from tests.data.divisions import divided, noise
from tests.data.tables import csv


@dataclass
class Limits:
    leak_auc: float = 0.995
    missing_share: float = 0.95
    minority_share: float = 0.05
    drift_auc: float = 0.6


def names(division, limits=None):
    return [found.check for found in check(division, limits or Limits(), seed=42)]


def small_frames(draw):
    n = draw(st.integers(4, 60))
    cells = {
        "数": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "whole": st.none() | st.integers(-5, 5),
        "flag": st.booleans(),
        "名 前": st.none() | st.sampled_from(["あ", "い", "<b>", "{x}", ""]),
    }
    columns = {
        key: pd.Series(draw(st.lists(cell, min_size=n, max_size=n)), dtype=object)
        for key, cell in cells.items()
    }
    y = draw(st.lists(st.sampled_from(["u", "v", "w"]), min_size=n, max_size=n))
    return pd.DataFrame(columns).infer_objects().assign(y=y)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.composite(small_frames)(), st.integers(1, 40), st.integers(0, 5))
def test_any_table_is_checked_and_what_is_found_is_plain(frame, n_test, seed):
    try:
        made = make_table("tiny", frame, Wishes("y"))
    except UserError:
        return
    rows = np.random.default_rng(seed).permutation(len(made.y))
    n_test = min(n_test, len(rows) - 2)
    division = Division(made, rows[n_test:], rows[:n_test], None)
    # Limits that let everything be found.
    for limits in (Limits(), Limits(0.5, 0.0, 1.0, 0.0)):
        for found in check(division, limits, seed=seed):
            assert found.message == SENTENCES[found.check][1].format(**found.facts)
            assert json.loads(json.dumps(dict(found.facts), allow_nan=False)) == dict(found.facts)


def test_the_same_data_and_seed_give_the_same_findings():
    columns = noise(400)
    columns["measure"][320:] += 3
    division = divided(columns | {"told": columns["y"]})
    found = check(division, Limits(), seed=7)
    assert [finding.check for finding in found] == ["leak", "drift"]
    assert check(division, Limits(), seed=7) == found


def test_of_numbers_the_order_of_rows_does_not_matter():
    columns = noise(200)
    del columns["word"]
    columns["told"] = columns["measure"].round(1) + 20 * (columns["y"] == "yes")
    division = divided({key: np.append(values, values[:20]) for key, values in columns.items()})
    order = np.random.default_rng(0).permutation(220)
    place = np.argsort(order)
    table = division.table
    shuffled = replace(
        division,
        table=replace(table, X=table.X.iloc[order], y=table.y[order]),
        train=place[division.train],
        test=place[division.test],
    )
    found = check(division, Limits(), seed=0)
    assert [finding.check for finding in found] == ["leak", "overlap"]
    assert check(shuffled, Limits(), seed=0) == found


def test_a_file_with_all_that_can_be_wrong(tmp_path):
    columns = noise(500)
    del columns["y"]
    is_late = np.arange(500) >= 400
    y = np.where(np.arange(500) % 40 == 7, "yes", "no")
    frame = pd.DataFrame(
        columns
        | {
            "番号": np.arange(500) + 1000,
            "paid_back": np.where(y == "yes", 0, 100 + np.arange(500) % 7),
            "empty": [1.5, 2.5, *[None] * 498],
            "shop": np.where(is_late, "new", np.where(np.arange(500) == 3, "once", "old")),
            "y": y,
        }
    )
    # A row twice, and again with another target.
    copied = ["measure", "few", "word", "paid_back", "empty", "shop"]
    for row in (490, 491):
        frame.loc[row, copied] = frame.loc[90, copied]
    frame.loc[491, "y"] = "yes"
    table = csv(tmp_path, frame.to_csv(index=False))
    division = Division(table, np.arange(400), np.arange(400, 500), None)
    assert names(division) == list(SENTENCES)


def test_a_sound_table_has_no_findings():
    assert names(divided(noise(400))) in ([], ["overlap"])
    for name in ("breast_cancer", "wine", "digits"):
        assert names(divide(load_builtin(name), StratifiedRows(0.2, 42), 5)) == []
    # Of irises one kind has petals unlike all others.
    iris = check(divide(load_builtin("iris"), StratifiedRows(0.2, 42), 5), Limits(), seed=42)
    assert [found.check for found in iris] == ["leak"]
    assert "'petal length (cm)' (setosa: 1.000)" in iris[0].message


@needs_openml_home
def test_tables_of_openml_have_known_findings():
    adult = load_openml("adult", 2, ">50K", str(OPENML_HOME))
    found = check(divide(adult, StratifiedRows(0.2, 42), 5), Limits(), seed=42)
    assert [finding.check for finding in found] == ["overlap", "conflicts", "single_categories"]
    assert found[0].facts["n_distinct"] == 48_785
    credit = load_openml("credit-g", 1, "good", str(OPENML_HOME))
    assert names(divide(credit, StratifiedRows(0.2, 42), 5)) == []
