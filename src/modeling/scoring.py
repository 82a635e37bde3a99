"""Scorers by scikit-learn's names."""

from difflib import get_close_matches

from sklearn.metrics import get_scorer_names

from src.errors import BinaryScorerError, UnknownScorerError

# scikit-learn lists scorers of regression and clustering among them.
CLASSIFICATION = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "d2_brier",
    "d2_log_loss",
    "f1",
    "jaccard",
    "matthews",
    "neg_brier",
    "neg_log_loss",
    "neg_negative_likelihood",
    "positive_likelihood",
    "precision",
    "recall",
    "roc_auc",
    "top_k",
)
BINARY_ONLY = ("f1", "jaccard", "precision", "recall")


def scorer_for(scoring: str, n_classes: int) -> str:
    """Give the name that scikit-learn has for a scoring on so many classes.

    `roc_auc` stands for one-vs-rest, macro, where there are more than two.
    """
    if n_classes > 2 and scoring in BINARY_ONLY:
        raise BinaryScorerError(scoring, n_classes)
    return "roc_auc_ovr" if scoring == "roc_auc" and n_classes > 2 else scoring


def check_scoring_name(scoring: str) -> None:
    """Refuse a name that is no scorer of classifiers in scikit-learn; needs no data."""
    names = [name for name in get_scorer_names() if name.startswith(CLASSIFICATION)]
    if scoring not in names:
        raise UnknownScorerError(scoring, get_close_matches(scoring, names, n=3))
