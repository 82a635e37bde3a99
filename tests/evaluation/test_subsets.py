"""Some rows that stand for all of them."""

import numpy as np
import pytest

from tabproof.evaluation.slices import stratified_order

Y = np.repeat([0, 1, 2], [700, 297, 3])


@pytest.mark.parametrize("n_rows", [20, 100, 500, 999])
def test_the_first_rows_have_the_classes_shares_however_many_they_are(n_rows: int) -> None:
    counts = np.bincount(Y[stratified_order(Y, 0)[:n_rows]], minlength=3)
    assert counts == pytest.approx(np.bincount(Y) * n_rows / len(Y), abs=3)


def test_every_row_comes_once_and_two_of_each_class_come_first() -> None:
    order = stratified_order(Y, 0)
    assert sorted(order) == list(range(len(Y)))
    assert sorted(Y[order[:6]]) == [0, 0, 1, 1, 2, 2]


def test_the_seed_decides() -> None:
    assert list(stratified_order(Y, 0)) == list(stratified_order(Y, 0))
    assert list(stratified_order(Y, 0)) != list(stratified_order(Y, 1))
