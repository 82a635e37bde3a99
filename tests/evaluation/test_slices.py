"""Groups judged apart, as the hold-out has them."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_ratio
from numpy.typing import NDArray
from scipy.stats import binomtest

from tabproof.errors import ColumnMissingError
from tabproof.evaluation.intervals import measure
from tabproof.evaluation.slices import (
    TextGroupsError,
    TooManyGroupsError,
    check_slices,
    make_slices,
    stratified_order,
    values_of,
)
from tabproof.evaluation_result import Decision, Evidence, Slice

RNG = np.random.default_rng(0)
N = 400
Y = np.arange(N) % 2
SCORES = np.clip(0.3 * Y + 0.7 * RNG.random(N), 0, 1)
PROBA = np.column_stack([1 - SCORES, SCORES])
NAMES = ["roc_auc", "accuracy", "f1", "mcc"]
X = pd.DataFrame(
    {
        "性別": pd.Categorical(RNG.choice(["女", "男"], N)),
        "<b>race</b>": pd.Categorical(["rare"] * 3 + [None] * 77 + ["(missing)"] * 320),
        "n of rooms": RNG.choice([1.0, 2.0, 10.0], N),
    },
    index=RNG.permutation(N),
)


def sliced(
    column: str,
    *,
    X: pd.DataFrame = X,
    y: NDArray[np.int64] = Y,
    proba: NDArray[np.float64] = PROBA,
    threshold: float | None = None,
) -> Slice:
    (found,) = make_slices(
        X,
        y,
        proba,
        columns=[column],
        labels=["n", "p", "q"][: proba.shape[1]],
        names=NAMES,
        threshold=threshold,
        n_bootstrap=50,
        seed=0,
    )
    return found


def test_metrics_of_a_group_are_those_of_its_rows() -> None:
    for group in sliced("性別", threshold=0.4).groups:
        rows = (X["性別"] == group.name).to_numpy()
        assert group.n_rows == rows.sum()
        assert group.n_by_label == np.bincount(Y[rows]).tolist()
        assert group.metrics == measure(
            Y[rows], PROBA[rows], names=NAMES, threshold=0.4, n_bootstrap=50, seed=0
        )


def test_shares_are_those_that_are_predicted_with_wilsons_interval() -> None:
    for group in sliced("性別", threshold=0.4).groups:
        selected = SCORES[X["性別"] == group.name] >= 0.4
        wilson = binomtest(int(selected.sum()), len(selected)).proportion_ci(method="wilson")
        assert group.shares[1].value == selected.mean()
        assert group.shares[1].interval == pytest.approx((wilson.low, wilson.high))
        assert group.shares[0].value == pytest.approx(1 - selected.mean())


def test_ratios_are_the_least_share_over_the_greatest() -> None:
    found = sliced("n of rooms")
    assert [group.name for group in found.groups] == ["1", "2", "10"]
    for code, ratio in enumerate(found.ratios):
        shares = [group.shares[code].value or 0.0 for group in found.groups]
        assert ratio == pytest.approx(min(shares) / max(shares))
    assert found.ratios[1] == demographic_parity_ratio(
        Y, (SCORES > 0.5).astype(int), sensitive_features=X["n of rooms"].to_numpy()
    )


def test_rates_and_ratio_are_those_of_fairlearns_user_guide() -> None:
    """Its example of demographic parity: 0.75, 0.5 and 0.5; ten of each row, to be judged."""
    y = np.tile([0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1], 10)
    predicted = np.tile([0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0], 10)
    groups = pd.DataFrame({"group": pd.Categorical(list("bbabbcccaacabccbcc") * 10)})
    found = sliced("group", X=groups, y=y, proba=np.eye(2)[predicted])
    assert [group.shares[1].value for group in found.groups] == [0.75, 0.5, 0.5]
    assert found.ratios[1] == pytest.approx(2 / 3)


def test_missing_values_are_a_group_with_a_name_of_its_own() -> None:
    names = {group.name: group.n_rows for group in sliced("<b>race</b>").groups}
    assert names == {"(missing)": 320, "rare": 3, "((missing))": 77}


def test_small_groups_are_marked_and_decide_no_ratio() -> None:
    found = sliced("<b>race</b>")
    assert [group.is_small for group in found.groups] == [False, True, False]
    without = sliced("<b>race</b>", X=X[3:], y=Y[3:], proba=PROBA[3:])
    assert found.ratios == without.ratios


@pytest.mark.parametrize(
    ("n_negative", "n_positive", "is_small"),
    [(15, 15, False), (14, 15, True), (20, 10, False), (100, 9, True)],
)
def test_the_limits_of_a_small_group(n_negative: int, n_positive: int, is_small: bool) -> None:
    y = np.repeat([0, 1], [n_negative, n_positive])
    proba = PROBA[: len(y)]
    only = pd.DataFrame({"a": np.ones(len(y))})
    (group,) = sliced("a", X=only, y=y, proba=proba).groups
    assert group.is_small == is_small


def test_a_single_group_has_no_ratio() -> None:
    assert sliced("a", X=pd.DataFrame({"a": np.ones(N)})).ratios == [None, None]


def test_the_ratio_of_a_label_that_is_never_predicted_is_not_defined() -> None:
    nobody = np.column_stack([np.ones(N), np.zeros(N)])
    assert sliced("性別", proba=nobody).ratios == [1.0, None]


def test_a_group_of_one_label_has_no_area_and_the_rest_is_measured() -> None:
    one_each = pd.DataFrame({"a": pd.Categorical(np.where(Y == 1, "p", "n"))})
    for group in sliced("a", X=one_each).groups:
        assert group.metrics["roc_auc"].value is None
        assert group.metrics["accuracy"].interval is not None
        assert group.is_small


def test_three_labels_have_shares_and_ratios_each() -> None:
    y, proba = np.arange(N) % 3, RNG.dirichlet(np.ones(3), N)
    found = sliced("性別", y=y, proba=proba)
    assert len(found.ratios) == 3
    for group in found.groups:
        assert sum(share.value or 0.0 for share in group.shares) == pytest.approx(1)
        assert sum(group.n_by_label) == group.n_rows
        assert group.metrics["roc_auc"].value is not None


def test_slices_can_be_written_and_read_again() -> None:
    columns = ["<b>race</b>", "性別", "<b>race</b>"]
    slices = make_slices(
        X,
        Y,
        PROBA,
        columns=columns,
        labels=["n", "p"],
        names=NAMES,
        threshold=None,
        n_bootstrap=0,
        seed=0,
    )
    assert [one.column for one in slices] == columns[:2]
    decision = Decision("default", None)
    written = Evidence(["n", "p"], 1, N, [1, 1], {}, "none", decision, slices=slices).to_json()
    assert Evidence.from_json(written).to_json() == written


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ColumnMissingError, match=r"evaluation.slices: .*'sex'.*'性別'"):
        check_slices(X, ["性別", "sex"])


@pytest.mark.parametrize(("n_values", "is_refused"), [(50, False), (51, True)])
def test_a_column_with_too_many_values_is_refused(n_values: int, is_refused: bool) -> None:
    numbers = pd.DataFrame({"a": [np.nan, *map(float, range(n_values))]})
    texts = numbers.astype("str").astype("category")
    texts.loc[0, "a"] = None
    for frame in (numbers, texts):
        if is_refused:
            with pytest.raises(TooManyGroupsError, match=r"'a' has 51 different values; .* 50"):
                check_slices(frame, ["a"])
        else:
            check_slices(frame, ["a"])


@pytest.mark.slow
def test_fairlearn_is_not_loaded_before_it_is_needed() -> None:
    words = "import sys, tabproof.evaluation; print('fairlearn' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "False"


CODES = np.repeat([0, 1, 2], [700, 297, 3])


@pytest.mark.parametrize("n_rows", [20, 100, 500, 999])
def test_the_first_rows_have_the_classes_shares_however_many_they_are(n_rows: int) -> None:
    counts = np.bincount(CODES[stratified_order(CODES, 0)[:n_rows]], minlength=3)
    assert counts == pytest.approx(np.bincount(CODES) * n_rows / len(CODES), abs=3)


def test_every_row_comes_once_and_two_of_each_class_come_first() -> None:
    order = stratified_order(CODES, 0)
    assert sorted(order) == list(range(len(CODES)))
    assert sorted(CODES[order[:6]]) == [0, 0, 1, 1, 2, 2]


def test_the_seed_decides() -> None:
    assert list(stratified_order(CODES, 0)) == list(stratified_order(CODES, 0))
    assert list(stratified_order(CODES, 0)) != list(stratified_order(CODES, 1))


def test_missing_values_are_one_of_their_own_and_last() -> None:
    names, codes = values_of(pd.Series(pd.Categorical(["b", None, "a", "b"])))
    assert names == ["a", "b", "(missing)"]
    assert codes.tolist() == [1, 2, 0, 1]


def test_a_category_that_does_not_occur_is_no_value() -> None:
    column = pd.Series(pd.Categorical(["b", "b"], categories=["a", "b"]))
    assert values_of(column)[0] == ["b"]


def test_numbers_are_in_order_and_whole_ones_without_a_point() -> None:
    names, codes = values_of(pd.Series([10.0, 2.0, np.nan, 2.5, -0.0, 0.0]))
    assert names == ["0", "2", "2.5", "10", "(missing)"]
    assert codes.tolist() == [3, 1, 4, 2, 0, 0]


@pytest.mark.parametrize("categories", [["(missing)"], ["(missing)", "((missing))"]])
def test_no_category_has_the_name_of_missing_values(categories: list[str]) -> None:
    names, _ = values_of(pd.Series(pd.Categorical([*categories, None])))
    assert len(set(names)) == len(categories) + 1
    assert names[-1] == f"({categories[-1]})"


def test_all_missing_is_one_value() -> None:
    assert values_of(pd.Series([np.nan, np.nan]))[0] == ["(missing)"]
    assert values_of(pd.Series(pd.Categorical([None], categories=["a"])))[0] == ["(missing)"]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2021-05-01", "2022-01-01", "2024-12-31"], ["2021", "2022", "2024"]),
        (["2024-01-01", "2024-03-31", "2024-04-01"], ["2024-Q1", "2024-Q1", "2024-Q2"]),
        (["2023-12-31T23:00", "2024-01-01"], ["2023-Q4", "2024-Q1"]),
    ],
)
def test_dates_are_grouped_by_year_or_by_quarter_if_there_are_few(
    dates: list[str], expected: list[str]
) -> None:
    column = pd.Series([*map(pd.Timestamp, dates), pd.NaT]).astype("datetime64[us]")
    names, codes = values_of(column)
    assert names == [*dict.fromkeys(expected), "(missing)"]
    assert [names[code] for code in codes] == [*expected, "(missing)"]


def test_free_text_makes_no_groups_and_many_years_too_many() -> None:
    text = pd.DataFrame({"備考": pd.Series(["長い文章", None], dtype="str")})
    with pytest.raises(TextGroupsError, match="備考"):
        check_slices(text, ["備考"])
    years = pd.DataFrame({"born": pd.date_range("1900-01-01", periods=60, freq="YS", unit="us")})
    with pytest.raises(TooManyGroupsError, match="60"):
        check_slices(years, ["born"])
