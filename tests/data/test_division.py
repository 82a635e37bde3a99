import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tabproof.data import (
    GroupedRows,
    NewestRows,
    OrderedRows,
    StratifiedRows,
    describe_division,
    divide,
)
from tabproof.data.target import DataError, SingleClassError
from tabproof.errors import UserError
from tests.data.tables import half, labelled, treatment
from tests.data.tables import table as tiny_table

seeds = st.integers(0, 2**32 - 1)
test_sizes = st.floats(0.1, 0.5)
# Enough of each class for three folds of what is left.
classes = st.lists(st.integers(0, 2), min_size=0, max_size=40).map(
    lambda drawn: [*drawn, *([0, 1] * 10)]
)


def _rules(size, seed, n):
    """Return each rule, and a table of n rows for it, with both classes in each group and day."""
    codes = np.resize([0, 1], n).tolist()
    groups = [f"subject-{i // 2 % 12}" for i in range(n)]
    days = [-(i // 2) % 9 for i in range(n)]
    return [
        (StratifiedRows(size, seed), labelled(codes)),
        (OrderedRows(size, seed), labelled(codes)),
        (OrderedRows(size, seed, "day"), labelled(codes, day=days)),
        (NewestRows(size, seed, "day"), labelled(codes, day=days)),
        (GroupedRows(size, seed, "who"), labelled(codes, who=groups)),
    ]


@half
@given(test_sizes, seeds, st.integers(60, 90))
def test_a_division_is_complete_without_overlap_and_the_same_whenever_it_is_requested(
    size, seed, n
):
    for rows, table in _rules(size, seed, n):
        once, again = rows.hold_out(table), rows.hold_out(table)
        assert [part.tolist() for part in once] == [part.tolist() for part in again], rows
        # One splitter, asked twice: successive halving needs equal folds in every rung.
        splitter = rows.folds(3)
        folds = [_folds(splitter, table, rows, once[0]) for _ in range(2)]
        assert folds[0] == folds[1] == _folds(rows.folds(3), table, rows, once[0]), rows
        assert sorted([*once[0], *once[1]]) == list(range(n)), rows
        assert len(folds[0]) == 3
        for fit, score in folds[0]:
            assert not set(fit) & set(score), rows
            assert min(len(fit), len(score)) > 0, rows


def _folds(splitter, table, rows, train):
    groups = rows.groups(table, train)
    split = splitter.split(table.X.iloc[train], table.y[train], groups)
    return [(fit.tolist(), score.tolist()) for fit, score in split]


def test_another_seed_draws_other_rows():
    for (one, table), (other, _) in zip(_rules(0.3, 1, 80), _rules(0.3, 2, 80), strict=True):
        same = one.hold_out(table)[1].tolist() == other.hold_out(table)[1].tolist()
        is_by_time = isinstance(one, OrderedRows | NewestRows)
        assert same == is_by_time, "only an order leaves nothing to draw"


# --- stratified -------------------------------------------------------------------------


@given(classes, test_sizes, seeds)
def test_a_stratified_hold_out_holds_each_class_in_its_proportion(codes, size, seed):
    counts = np.bincount(codes)
    assume(counts.min() >= 2)
    table = labelled(codes)
    try:
        train, test = StratifiedRows(size, seed).hold_out(table)
    except DataError:
        # So few rows are held out, or learned from, that not every class can be among them.
        assert min(size, 1 - size) * len(codes) < len(counts)
        return
    assert sorted([*train, *test]) == list(range(len(codes)))
    held_out = np.bincount(table.y[test], minlength=len(counts))
    n_drawn = np.ceil(len(codes) * size)
    # Of a class that the share would leave out of a part, a row is moved there.
    assert abs(len(test) - n_drawn) <= (counts * min(size, 1 - size) < 2).sum()
    assert np.all(np.abs(held_out - counts * n_drawn / len(codes)) <= 1.5)
    assert held_out.min() >= 1
    assert np.all(counts - held_out >= np.minimum(counts - 1, 2))


def test_a_class_of_one_row_cannot_be_in_both_parts():
    with pytest.raises(DataError, match=r"'c1' has 1 row\(s\), .*hold-out needs 2"):
        StratifiedRows(0.2, 0).hold_out(labelled([0, 0, 0, 0, 1]))


@pytest.mark.parametrize("size", [0.01, 0.99])
def test_a_part_without_room_for_every_class_is_refused_with_the_key(size):
    with pytest.raises(DataError, match=f"cv.test_size={size}: no rows can be held out"):
        StratifiedRows(size, 0).hold_out(labelled([0, 0, 0, 1, 1]))


def test_more_classes_than_rows_held_out_are_named_in_our_words():
    with pytest.raises(DataError, match="2 rows cannot hold 4 classes of"):
        StratifiedRows(0.2, 0).hold_out(labelled([0, 0, 1, 1, 2, 2, 3, 3]))


# --- ordered ----------------------------------------------------------------------------


@given(st.permutations(range(30)), test_sizes)
def test_ordered_rows_are_learned_from_the_past_alone(days, size):
    table = labelled([0, 1] * 15, day=days)
    rows = OrderedRows(size, 0, "day")
    day = np.array(days)
    try:
        train, test = rows.hold_out(table)
    except (SingleClassError, DataError):
        assume(False)
    assert day[train].max() < day[test].min()
    for fit, score in _folds(rows.folds(3), table, rows, train):
        assert day[train][fit].max() < day[train][score].min()


@given(st.permutations(range(30)), test_sizes, seeds)
def test_the_newest_rows_are_held_out_and_the_others_are_divided_like_independent_ones(
    days, size, seed
):
    table = labelled([0, 1] * 15, day=days)
    newest, ordered = NewestRows(size, seed, "day"), OrderedRows(size, seed, "day")
    try:
        train, test = newest.hold_out(table)
    except (SingleClassError, DataError):
        assume(False)
    assert [part.tolist() for part in ordered.hold_out(table)] == [train.tolist(), test.tolist()]
    assume(np.bincount(table.y[train]).min() >= 3)
    independent = StratifiedRows(size, seed)
    assert _folds(newest.folds(3), table, newest, train) == _folds(
        independent.folds(3), table, newest, train
    )
    for one, other in zip(
        newest.repeated_folds(3, 2), independent.repeated_folds(3, 2), strict=True
    ):
        assert _folds(one, table, newest, train) == _folds(other, table, newest, train)


def test_without_a_column_time_is_the_order_of_the_table():
    train, test = OrderedRows(0.2, 0).hold_out(labelled([0, 1] * 5))
    assert (train.tolist(), test.tolist()) == (list(range(8)), [8, 9])


def test_rows_of_one_moment_keep_the_order_of_the_table():
    table = labelled([0, 1, 1, 0, 0, 1, 1, 0], day=[2, 1] * 4)
    train, test = OrderedRows(0.5, 0, "day").hold_out(table)
    assert (train.tolist(), test.tolist()) == ([1, 3, 5, 7], [0, 2, 4, 6])


def test_a_time_that_is_none_is_named_not_one_of_the_others():
    times = [*map(str, range(39)), "oops"]
    made = tiny_table(
        {"t": times, "x": ["a", "b"] * 20, "y": ["u", "v"] * 20}, is_text=True, non_features=["t"]
    )
    with pytest.raises(DataError, match="'oops' is neither a number nor a date"):
        divide(made, OrderedRows(0.25, 0, "t"), 2)


def test_a_row_without_a_time_is_refused_with_their_number():
    table = labelled([0, 1, 0, 1], day=[1, None, None, 4])
    with pytest.raises(DataError, match=r"cv\.time_column=day: .*2 row\(s\) lack it"):
        OrderedRows(0.5, 0, "day").hold_out(table)


@pytest.mark.parametrize("column", [None, "day"])
def test_the_time_is_not_a_feature(column):
    assert list(OrderedRows(0.2, 0, column).non_feature_columns) == ([column] if column else [])


def test_a_past_or_a_future_of_one_class_is_refused():
    with pytest.raises(SingleClassError, match="the hold-out holds one class only, 'c1'"):
        OrderedRows(0.4, 0).hold_out(labelled([0, 1, 0, 1, 0, 1, 1, 1, 1, 1]))
    with pytest.raises(SingleClassError, match="the training part holds one class only, 'c0'"):
        OrderedRows(0.4, 0).hold_out(labelled([0, 0, 0, 0, 0, 0, 0, 0, 1, 0]))


def test_a_class_that_the_past_does_not_know_is_refused():
    with pytest.raises(DataError, match=r"class 'c2' has 0 row\(s\), but the training part"):
        OrderedRows(0.4, 0).hold_out(labelled([0, 1, 0, 1, 0, 1, 2, 0, 1, 2]))


def test_dates_that_do_not_sort_as_text_are_not_sorted_as_text():
    # January 2024 after December 2023, whatever the text of it.
    days = ["1/2/2024", "12/1/2023", "11/1/2023", "2/3/2024", "1/1/2024", "10/1/2023"]
    try:
        train, _ = OrderedRows(0.5, 0, "day").hold_out(labelled([0, 1, 0, 1, 0, 1], day=days))
    except UserError:
        return
    assert set(train.tolist()) == {1, 2, 5}


# --- grouped ----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 11), min_size=60, max_size=80), test_sizes, seeds)
def test_a_group_is_on_one_side_only(groups, size, seed):
    assume(len(set(groups)) >= 8)
    who = np.array([f"subject-{g}" for g in groups])
    table = labelled(np.resize([0, 1], len(groups)).tolist(), who=who.tolist())
    rows = GroupedRows(size, seed, "who")
    try:
        train, test = rows.hold_out(table)
    except (SingleClassError, DataError):
        assume(False)
    assert not set(who[train]) & set(who[test])
    for fit, score in _folds(rows.folds(3), table, rows, train):
        assert not set(who[train][fit]) & set(who[train][score])


@given(st.lists(st.none() | st.sampled_from(["p1", "p2", "p12", "q"]), min_size=2))
def test_rows_are_of_one_group_exactly_if_their_cells_are_equal(cells):
    table = labelled(np.resize([0, 1], len(cells)).tolist(), who=cells)
    groups = GroupedRows(0.2, 0, "who").groups(table, np.arange(len(cells)))
    for i, one in enumerate(cells):
        for j, other in enumerate(cells):
            assert (groups[i] == groups[j]) == (one == other)


def test_subjects_that_are_numbers_stay_apart_where_a_number_is_missing():
    table = labelled([0, 1] * 3, who=[1, 2, 12, 120, None, None])
    groups = GroupedRows(0.2, 0, "who").groups(table, np.arange(6))
    assert len(set(groups)) == 5


def test_one_subject_cannot_be_divided():
    with pytest.raises(DataError, match=r"cv\.group_column=who: no rows can be held out"):
        GroupedRows(0.2, 0, "who").hold_out(labelled([0, 1] * 4, who=["p"] * 8))


def test_subjects_of_one_class_each_are_refused_with_the_part_that_lacks_one():
    table = labelled([0, 0, 1, 1], who=["p", "p", "q", "q"])
    with pytest.raises(SingleClassError, match=r"the training part holds one class only, 'c\d'"):
        GroupedRows(0.5, 0, "who").hold_out(table)


# --- repeated ---------------------------------------------------------------------------


def _repeated_folds(rows, X, y, groups, n_repeats):
    splitters = rows.repeated_folds(3, n_repeats)
    return [split for splitter in splitters for split in splitter.split(X, y, groups)]


def test_repeated_folds_are_whole_divisions_each_another_and_always_the_same():
    for rows, table in _rules(0.3, 7, 80):
        if isinstance(rows, OrderedRows):
            continue
        train, _ = rows.hold_out(table)
        X, y, groups = table.X.iloc[train], table.y[train], rows.groups(table, train)
        once, again = (
            [test.tolist() for _, test in _repeated_folds(rows, X, y, groups, 4)] for _ in range(2)
        )
        assert once == again, rows
        repeats = [once[start : start + 3] for start in range(0, 12, 3)]
        for folds in repeats:
            assert sorted(row for fold in folds for row in fold) == list(range(len(train))), rows
        assert len({str(folds) for folds in repeats}) == 4, rows


def test_repeated_folds_keep_groups_on_one_side():
    *_, (rows, table) = _rules(0.3, 7, 80)
    train, _ = rows.hold_out(table)
    who = rows.groups(table, train)
    for fit, score in _repeated_folds(rows, who, table.y[train], who, 2):
        assert not set(who[fit]) & set(who[score])


def test_repeating_rows_in_time_is_refused_without_data():
    with pytest.raises(DataError, match=r"n_repeats=5: rows in time .* 3 folds"):
        OrderedRows(0.2, 0).repeated_folds(3, 5)


@given(st.integers(0, 2**32 - 1))
def test_parts_hold_the_rows_of_the_table_and_each_row_once(seed):
    made = labelled([0, 1, 1] * 10)
    division = divide(made, StratifiedRows(0.3, seed), 3)
    assert division.X_train["a"].tolist() == division.train.tolist()
    assert division.y_train.tolist() == made.y[division.train].tolist()
    assert division.X_test["a"].tolist() == division.test.tolist()
    assert division.y_test.tolist() == made.y[division.test].tolist()
    assert sorted([*division.train, *division.test]) == list(range(30))


def test_held_out_rows_are_known_by_their_place_in_the_source_and_their_label():
    made = tiny_table(
        {"a": range(12), "y": [None, "u", "v", "u", "v", "u", None, *["u", "v"] * 2, "v"]}
    )
    division = divide(made, OrderedRows(0.3, 0), 2)
    assert division.X_test.index.tolist() == [9, 10, 11]
    assert [made.labels[code] for code in division.y_test] == ["u", "v", "v"]


def test_a_column_without_information_to_learn_from_is_left_out_and_said():
    # The last rows are held out, and they alone have it.
    late, once = [None] * 16 + [1, 2, 3, 4], ["p"] * 18 + ["q", "q"]
    made = tiny_table({"a": [0, 1] * 10, "late": late, "once": once, "y": ["u", "v"] * 10})
    division = divide(made, OrderedRows(0.2, 0), 2)
    assert list(division.table.X.columns) == ["a"]
    assert treatment(division.table, "left_out_in_training").columns == ("late", "once")


def test_a_table_without_a_column_to_learn_from_is_refused():
    made = tiny_table({"late": [None] * 16 + [1, 2, 3, 4], "y": ["u", "v"] * 10})
    with pytest.raises(DataError, match="no column of tiny has two values"):
        divide(made, OrderedRows(0.2, 0), 2)


def test_the_rarest_class_decides_how_many_folds_there_are():
    # A fifth is held out: of 10 rows of c1, 8 are left to learn from.
    division = divide(labelled([0] * 40 + [1] * 10), StratifiedRows(0.2, 0), 9)
    assert [division.n_folds(asked) for asked in (2, 8, 9, 100)] == [2, 8, 8, 8]
    with pytest.raises(DataError) as raised:
        division.check_folds("search.n_splits", 9)
    assert "class 'c1' has 8 row(s), but search.n_splits=9 needs 9" in str(raised.value)


@pytest.mark.parametrize("n_rare", [1, 2])
def test_a_class_too_rare_for_two_folds_and_a_hold_out_is_left_out(n_rare):
    made = labelled([0, 1] * 20 + [2] * n_rare)
    division = divide(made, StratifiedRows(0.2, 0), 5)
    assert division.table.labels == ("c0", "c1")
    assert len(division.table.y) == 40
    assert treatment(division.table, "undivided_classes").facts["n_rows"] == n_rare


def test_a_class_of_three_rows_is_in_two_folds_and_held_out():
    for seed in range(10):
        division = divide(labelled([0, 1] * 40 + [2] * 3), StratifiedRows(0.2, seed), 5)
        assert np.bincount(division.y_train).tolist()[2] == 2
        assert np.bincount(division.y_test).tolist()[2] == 1
        assert sorted([*division.train, *division.test]) == list(range(83))


def test_fewer_groups_than_folds_are_refused_with_the_key():
    # 80 rows, so no class is rare; but of 4 subjects at most 3 are left for 5 folds.
    made = labelled(([0] * 4 + [1] * 4) * 10, who=[f"p{i % 4}" for i in range(80)])
    division = divide(made, GroupedRows(0.25, 0, "who"), 5)
    with pytest.raises(UserError, match=r"search\.n_splits=5: the training rows hold 3 group"):
        division.check_folds("search.n_splits", 5)


def test_groups_belong_to_the_training_rows_in_their_order():
    who = [f"p{i % 10}" for i in range(60)]
    division = divide(labelled([0, 1, 1] * 20, who=who), GroupedRows(0.3, 0, "who"), 2)
    assert division.groups.tolist() == [who[i] for i in division.train]
    assert divide(labelled([0, 1] * 20), StratifiedRows(0.3, 0), 2).groups is None


def test_training_rows_have_their_group_in_the_index_beside_their_id():
    who = [f"p{i % 10}" for i in range(60)]
    division = divide(labelled([0, 1, 1] * 20, who=who), GroupedRows(0.3, 0, "who"), 2)
    index = division.X_train.index
    assert index.get_level_values(0).tolist() == division.train.tolist()
    numbers = index.get_level_values("group")
    for group in set(division.groups):
        assert len(set(numbers[division.groups == group])) == 1
    assert len(set(numbers)) == len(set(division.groups))
    assert division.X_test.index.tolist() == division.test.tolist()
    independent = divide(labelled([0, 1] * 20), StratifiedRows(0.3, 0), 2)
    assert independent.X_train.index.tolist() == independent.train.tolist()


def test_the_words_count_rows_columns_missing_cells_classes_and_parts():
    made = tiny_table(
        {
            "a": np.arange(2000) // 2,
            "b": ["p", None, "q", "q"] * 500,
            "y": ["no", "no", "no", "yes"] * 500,
        },
        pos_label="yes",
    )
    assert describe_division(divide(made, StratifiedRows(0.25, 0), 3)) == [
        "tiny: 2,000 rows, 1 number, 1 category, 500 cells missing",
        "target 'y': no 1,500, yes 500 (positive: yes)",
        "1,500 rows to learn from, 500 held out",
    ]


def test_of_three_classes_none_is_called_positive():
    words = describe_division(divide(labelled([0, 1, 2] * 10), StratifiedRows(0.3, 0), 2))
    assert words[1] == "target 'y': c0 10, c1 10, c2 10"
