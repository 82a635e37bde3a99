"""Test whether one classifier is better than another on the same rows.

With two classes: the difference of the areas under two correlated ROC curves, by the variance of
DeLong et al. (1988) and Student's t (see `tabproof.auc`). With more: McNemar's exact test of
accuracy.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from tabproof.auc import Codes, Floats, auc_components, p_value_of, rank_aucs
from tabproof.evaluation.metrics import predicted_codes


@dataclass(frozen=True)
class Comparison:
    """A metric of both models, and the two-sided p-value of their difference."""

    metric: str
    test: str
    candidate: float
    current: float
    p_value: float

    @property
    def difference(self) -> float:
        """Candidate minus current."""
        return self.candidate - self.current

    def is_better(self, level: float) -> bool:
        """Return whether the candidate is better at this level of significance."""
        return self.difference > 0 and self.p_value < level

    def in_words(self) -> str:
        """Return the comparison as one line."""
        return (
            f"{self.metric} {self.candidate:.4f}, current version {self.current:.4f},"
            f" difference {self.difference:+.4f}, p = {self.p_value:.2g} ({self.test})"
        )


def compare(y: Codes, candidate: Floats, current: Floats) -> Comparison:
    """Compare the AUCs with two classes, the accuracies with more; arguments as below."""
    return compare_in_all(y, candidate, current)[0]


def compare_in_all(
    y: Codes,
    candidate: Floats,
    current: Floats,
    thresholds: tuple[float | None, float | None] = (None, None),
) -> list[Comparison]:
    """Compare the AUCs, with two classes, then the accuracies.

    y : classes of the rows, (n_rows,). candidate, current : probabilities, (n_rows, n_classes).
    thresholds : of both, as in `predicted_codes`.
    """
    found = []
    if candidate.shape[1] == 2:
        is_positive = (y == 1)[:, np.newaxis]
        ours, theirs = (float(rank_aucs(p[:, 1], is_positive)[0]) for p in (candidate, current))
        # The components of the difference, rather than a covariance matrix: their variance is
        # never negative by rounding, and zero where both models rank alike.
        components = auc_components(y, candidate) - auc_components(y, current)
        p_value = p_value_of(ours - theirs, y, components)
        found.append(Comparison("AUC", "DeLong", ours, theirs, p_value))
    is_right, was_right = (
        predicted_codes(proba, threshold) == y
        for proba, threshold in zip((candidate, current), thresholds, strict=True)
    )
    # Rows on which both are right or both wrong say nothing about which is better.
    gained, lost = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    p_value = min(1.0, 2 * float(binom.cdf(min(gained, lost), gained + lost, 0.5)))
    ours, theirs = float(is_right.mean()), float(was_right.mean())
    return [*found, Comparison("accuracy", "McNemar", ours, theirs, p_value)]
