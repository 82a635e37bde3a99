import pytest
from sklearn import datasets

from tabproof.config.checks import BUILTIN_NAMES
from tabproof.data import load_builtin
from tabproof.data.errors import UnknownLabelError


@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_every_built_in_table_that_conf_allows_equals_scikit_learns(name):
    table, bunch = load_builtin(name), getattr(datasets, f"load_{name}")(as_frame=True)
    assert table.name == f"builtin_{name}"
    assert [table.labels[code] for code in table.y] == [
        str(bunch.target_names[code]) for code in bunch.target
    ]
    constant = [column for column in bunch.data if bunch.data[column].nunique() == 1]
    expected = bunch.data.drop(columns=constant).astype("float64")
    assert table.X.equals(expected)


def test_the_positive_label_comes_second():
    assert load_builtin("breast_cancer", "benign").labels == ("malignant", "benign")
    assert load_builtin("breast_cancer", "malignant").labels == ("benign", "malignant")


def test_an_unknown_positive_label_is_refused_with_the_labels():
    with pytest.raises(UnknownLabelError, match="'benign', 'malignant'"):
        load_builtin("breast_cancer", "good")
