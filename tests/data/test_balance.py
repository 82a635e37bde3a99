from tabproof.data.check_columns import find_imbalance
from tests.data.tables import labelled


def test_rare_classes_are_named_rarest_first():
    found = find_imbalance(labelled([0] * 94 + [1] * 4 + [2] * 2), 0.05)
    assert found is not None
    assert "2 of 3 classes" in found.message
    assert "'c2' (2.00%, n=2), 'c1' (4.00%, n=4)" in found.message


def test_a_class_of_the_limit_is_not_rare():
    assert find_imbalance(labelled([0] * 95 + [1] * 5), 0.05) is None
    assert find_imbalance(labelled([0] * 96 + [1] * 4), 0.05) is not None


def test_of_many_classes_of_one_size_none_is_rare():
    assert find_imbalance(labelled([code for code in range(30) for _ in range(4)]), 0.05) is None
