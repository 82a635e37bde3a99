"""All checks, one after the other."""

from typing import Protocol

from tabproof.data.check_columns import (
    find_copies,
    find_ids,
    find_imbalance,
    find_missing,
    find_single_categories,
    find_unseen_categories,
    id_columns,
)
from tabproof.data.check_models import find_drift, find_leak
from tabproof.data.division import Division
from tabproof.evaluation_result import Finding


class Limits(Protocol):
    """From where on a check reports; the shares are of rows."""

    leak_auc: float
    missing_share: float
    minority_share: float
    drift_auc: float


def check(division: Division, limits: Limits, *, seed: int) -> list[Finding]:
    """Look for what makes results untrue.

    An id makes every row distinct and every row known: whatever compares rows leaves ids out.
    """
    ids = id_columns(division.table.X)
    found = [
        find_leak(division, limits.leak_auc, seed),
        find_ids(division.table.X, ids),
        *find_copies(division, ids),
        find_missing(division.table.X, limits.missing_share),
        find_single_categories(division, ids),
        find_unseen_categories(division, ids),
        find_drift(division, ids, limits.drift_auc, seed),
        find_imbalance(division.table, limits.minority_share),
    ]
    return [finding for finding in found if finding is not None]
