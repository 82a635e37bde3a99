import pytest

from tabproof.data.target import QuantityTargetError, SingleClassError
from tabproof.errors import InvalidValueError
from tests.data.tables import codes_of, table, treatment


def of(values, *, is_text=True, **spec):
    """Make a table of a target and a column of numbers."""
    return table({"a": list(map(str, range(len(values)))), "y": values}, is_text=is_text, **spec)


def test_words_are_labels_and_it_is_said():
    made = of(["EU", "NA", "US", "None", None])
    assert made.labels == ("EU", "NA", "None", "US")
    assert made.n_rows_without_target == 1
    assert "'NA', 'None'" in treatment(made, "target_words").message


def test_a_word_is_missing_if_the_user_says_so():
    made = of(["EU", "NA", "US", "NA"], na_values=["NA"])
    assert made.labels == ("EU", "US")
    assert made.n_rows_without_target == 2
    assert treatment(made, "target_missing_words").facts["n_rows"] == 2


def test_a_number_is_missing_if_the_user_says_so():
    made = of([0, 1, -999, 1], is_text=False, na_values=["-999"])
    assert made.labels == ("0", "1")
    assert treatment(made, "target_missing_words").facts["n_rows"] == 1


def test_spaces_around_labels_are_removed():
    assert of(["yes ", " no", "yes"]).labels == ("no", "yes")


def test_labels_of_more_digits_than_a_double_holds_stay_apart():
    made = of(["90071992547409921", "90071992547409923", "90071992547409921"])
    assert made.labels == ("90071992547409921", "90071992547409923")
    assert made.y.tolist() == [0, 1, 0]


def test_labels_that_differ_by_case_are_told_and_joined_on_demand():
    values = ["yes", "YES", "no", "yes", "Yes "]
    made = of(values)
    assert made.labels == ("YES", "Yes", "no", "yes")
    message = treatment(made, "target_labels_differ_by_case").message
    assert "'YES', 'Yes', 'yes'" in message
    assert "dataset.join_labels=true" in message
    joined = of(values, join_labels=True)
    assert joined.labels == ("no", "yes")
    assert joined.y.tolist() == [1, 1, 0, 1, 1]


def test_classes_of_few_rows_are_left_out_and_said():
    made = of(["u", "v", "w", "u", "v"], min_class_rows=2)
    assert made.labels == ("u", "v")
    assert made.X.index.tolist() == [0, 1, 3, 4]
    assert treatment(made, "rare_classes").facts == {"labels": ["w"], "n_rows": 1, "least": 2}
    # Nothing is left out where two classes would not be left.
    assert of(["u", "v"], min_class_rows=2).labels == ("u", "v")


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["no", "YES", "no", "YES", "YES"], "YES"),
        (["0", "1", "1"], "1"),
        (["はい", "いいえ", "はい"], "はい"),
        (["good", "bad", "good"], "bad"),
        (["bad", "good"], "good"),
        # Both words are positive: the rarer one.
        (["yes", "true", "yes"], "true"),
        (["true", "false", "true"], "True"),
    ],
)
def test_the_positive_label_is_what_a_word_says_or_the_rarer_or_the_last(values, positive):
    made = of(values)
    assert made.labels[1] == positive
    assert made.resolved["pos_label"] == positive
    assert [made.labels[code].lower() for code in made.y] == [v.lower() for v in values]


def test_a_positive_label_that_was_chosen_is_not_resolved():
    assert "pos_label" not in of(["yes", "no"], pos_label="no").resolved


def test_many_numbers_are_refused_with_what_works():
    values = [str(i) for i in range(200)]
    with pytest.raises(QuantityTargetError) as raised:
        of(values)
    assert "dataset.target_bins=4" in str(raised.value)
    assert "'dataset.target_bins=[99.5]'" in str(raised.value)
    assert of(values, bins=4).counts.tolist() == [50, 50, 50, 50]
    assert of(values, kinds={"y": "category"}).labels[0] == "0"


def test_bins_are_named_by_their_bounds():
    made = of(["50", "100", "150", "200", None], bins=[100])
    assert made.labels == ("<= 100", "> 100")
    assert made.y.tolist() == [0, 0, 1, 1]
    assert "target_bins" in codes_of(made)
    assert of(["1", "2", "3"], bins=[1, 2]).labels == ("<= 1", "1 < … <= 2", "> 2")
    assert of([1.0, 2.0, 3.0], is_text=False, bins=[1.5], pos_label="> 1.5").y.tolist() == [0, 1, 1]


@pytest.mark.parametrize("bins", [1, 0, True, "4", [], [2, 1], [1, 1], ["a"], [float("nan")], 2.5])
def test_bins_that_are_none_are_refused(bins):
    with pytest.raises(InvalidValueError, match="target_bins"):
        of(["1", "2", "3"], bins=bins)


def test_bins_of_words_and_of_one_value_are_refused():
    with pytest.raises(InvalidValueError, match="'y' is not a number"):
        of(["a", "b", "c"], bins=2)
    with pytest.raises(SingleClassError):
        of(["1", "1", "1"], bins=2)


@pytest.mark.parametrize(
    "labels", [("36 months", "60 months"), ("3万円", "5万円"), ("9:05", "9:30")]
)
def test_numbers_with_words_are_labels_as_they_stand(labels):
    assert of([*labels, labels[0]]).labels == labels


def test_amounts_with_words_are_a_quantity():
    with pytest.raises(QuantityTargetError):
        of([f"{i + 3}万円" for i in range(200)])
    binned = of([f"{i + 3}万円" for i in range(200)], bins=[1_000_000])
    assert {*binned.labels} == {"<= 1000000", "> 1000000"}
