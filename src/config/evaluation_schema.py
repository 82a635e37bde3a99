"""The schema of conf/checks, conf/calibration, conf/threshold, conf/evaluation, conf/report."""

from dataclasses import dataclass
from typing import Any

from src.config.option import option


@dataclass
class ChecksConfig:
    """What is looked for in the data before training."""

    enabled: bool = option("whether the data is checked at all", True)
    fail: bool = option("end the run, before training, where anything is found", False)
    leak_auc: float = option("a column that alone has this AUC gives the target away", 0.995)
    missing_share: float = option("a column that lacks so many of its values is reported", 0.95)
    minority_share: float = option("a class rarer than this is reported", 0.05)
    drift_auc: float = option(
        "how well a classifier may tell the hold-out from the training rows", 0.6
    )


@dataclass
class CalibrationConfig:
    """How probabilities are mapped to observed shares, on folds of the training rows."""

    method: str = option("none, sigmoid, isotonic or temperature", "none")
    n_splits: int = option("folds whose predictions it is fitted on", 5)


@dataclass
class ThresholdConfig:
    """From which probability on the second of two labels is predicted."""

    objective: str = option("default (0.5), max_f1, cost or min_recall", "default")
    n_splits: int = option("folds of the training rows it is chosen on", 5)
    # Numbers, checked later: as list[list[float]] OmegaConf would refuse whole ones.
    costs: list[list[Any]] | None = option(
        "of objective=cost: what each outcome costs, a row per true and a column per predicted"
        " label, in the order of labels, the positive one second",
        None,
    )
    min_recall: float | None = option(
        "of objective=min_recall: the most precise threshold that finds this share of the"
        " positive rows",
        None,
    )
    min_precision: float | None = option(
        "of objective=min_recall: the least share of right ones among those it reports", None
    )


@dataclass
class EvaluationConfig:
    """What is measured on the rows held out."""

    name: str = option("shown in the report")
    metrics: list[str] = option("names; docs/evaluation.md explains each", [])
    n_bootstrap: int = option(
        "resamples of the hold-out for intervals that have no formula; 0: none of those", 1000
    )
    slices: list[str] = option("columns whose groups are judged apart", [])
    n_permutations: int = option("how often each column is shuffled for its importance; 0: no", 5)
    n_dependences: int = option(
        "so many of the most important columns are drawn, where importance is measured; 0: none", 6
    )
    n_repeats: int = option("how often cross-validation is repeated on training rows; 0: no", 0)
    n_splits: int = option("its folds", 5)
    learning_curve: bool = option("would more rows help? fits the model on parts of them", False)


@dataclass
class ReportConfig:
    """What is written for people."""

    language: str = option("en or ja", "en", decides_numbers=False)
    plots: bool = option("draw the pictures of plots/", True, decides_numbers=False)
    page: bool = option("write report.html, in which all is together", True, decides_numbers=False)
    model_card: bool = option("write model_card.md", True, decides_numbers=False)
