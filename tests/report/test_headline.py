"""What the main metric means, in words."""

import pytest

from tabproof.evaluation_result import Decision, Estimate
from tabproof.report.language import Texts
from tabproof.report.sections import cautions, meanings
from tests.report.making import evidence_of, facts_of, summary_of

EN = Texts("report", "en")


def told(**changes: object) -> str:
    labels = changes.pop("labels", ("good", "bad"))
    return " ".join(meanings(facts_of(evidence_of(labels, **changes)), EN))  # type: ignore[arg-type]


def test_the_area_is_told_as_pairs_of_rows() -> None:
    words = told(metrics={"roc_auc": Estimate(0.7889, 0.7093, 0.8513)})
    assert words == (
        "Of two rows drawn at random, one “bad” and one “good”, the model gives the “bad” one the"
        " higher probability of “bad” in 79 of 100 cases; with 95 % confidence in 71 to 85."
    )


def test_a_narrow_interval_is_told_in_thousandths() -> None:
    assert "929 of 1000" in told(metrics={"roc_auc": Estimate(0.929, 0.9255, 0.933)})


def test_of_more_labels_each_is_told_against_another() -> None:
    words = told(labels=("a", "b", "c"), metrics={"roc_auc": Estimate(0.79, 0.71, 0.85)})
    assert "on average over the labels" in words
    assert "79 of 100" in words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.72, 0.83, "the model is right more often"),
        (0.65, 0.80, "not shown that the model is right more often"),
        (0.55, 0.66, "more often than the model with its threshold"),
    ],
)
def test_accuracy_is_told_against_always_saying_the_same(
    low: float, high: float, words: str
) -> None:
    assert words in told(metrics={"accuracy": Estimate((low + high) / 2, low, high)})


def test_a_threshold_for_something_else_is_no_wonder() -> None:
    metrics = {"accuracy": Estimate(0.5, 0.45, 0.58)}
    assert "but for the least cost" in told(metrics=metrics)
    assert "but for" not in told(metrics=metrics, decision=Decision("default", 0.5))


def test_a_share_of_rows_without_interval_proves_nothing() -> None:
    words = told(metrics={"accuracy": Estimate(0.9)})
    assert "Always saying “good” would be right in 700 of 1000." in words
    assert "more often" not in words


def test_what_is_not_defined_is_said() -> None:
    assert told(metrics={"roc_auc": Estimate(None)}).startswith("ROC-AUC is not defined")
    assert told(metrics={}).startswith("ROC-AUC is not defined")


@pytest.mark.parametrize(
    ("estimate", "n_by_label", "words"),
    [
        (Estimate(0.79, 0.71, 0.85), [140, 60], ["The interval is 0.14 wide: 200 rows"]),
        (Estimate(0.98, 0.97, 0.99), [140, 60], []),
        (Estimate(0.98), [140, 60], ["An interval could not be computed from the 200 rows"]),
        (
            Estimate(0.98, 0.97, 0.99),
            [190, 10],
            ["Few of the rows held out have the label “bad” (10): "],
        ),
    ],
)
def test_a_hold_out_that_says_little_says_so(
    estimate: Estimate, n_by_label: list[int], words: list[str]
) -> None:
    evidence = evidence_of(metrics={"roc_auc": estimate}, n_by_label=n_by_label)
    said = list(cautions(facts_of(evidence), EN))
    assert len(said) == len(words)
    assert all(text.startswith(start) for text, start in zip(said, words, strict=True))


def test_a_search_that_was_stopped_says_so() -> None:
    summary = summary_of(stopped="time budget", n_not_tried=7)
    assert any("not tried: 7" in text for text in cautions(facts_of(summary=summary), EN))
