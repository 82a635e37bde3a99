"""Scorers by scikit-learn's names."""

from difflib import get_close_matches

from sklearn.metrics import get_scorer_names

from src.errors import UnknownScorerError


def scorer_for(scoring: str, n_classes: int) -> str:
    """Give the name that scikit-learn has for a scoring on so many classes.

    `roc_auc` stands for one-vs-rest, macro, where there are more than two.
    """
    check_scoring_name(scoring)
    return "roc_auc_ovr" if scoring == "roc_auc" and n_classes > 2 else scoring


def check_scoring_name(scoring: str) -> None:
    """Refuse a name that scikit-learn does not know; needs no data."""
    names = get_scorer_names()
    if scoring not in names:
        raise UnknownScorerError(scoring, get_close_matches(scoring, names, n=3))
