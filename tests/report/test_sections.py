"""The sentences, candidates and commands of a report."""

import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from tabproof.evaluation_result import Decision, Estimate, Finalist
from tabproof.report.facts import cautions, command_line, decision, meanings
from tabproof.report.format import Texts
from tabproof.report.model import MAX_CANDIDATES, best_candidates, held_out_rows
from tests.report.making import (
    ALONE,
    ODD_NAMES,
    candidates_of,
    ensemble_of,
    evidence_of,
    facts_of,
    summary_of,
)

EN = Texts("report", "en")
BASH = shutil.which("bash")


def explained(**changes: object) -> str:
    labels = changes.pop("labels", ("good", "bad"))
    return " ".join(meanings(facts_of(evidence_of(labels, **changes)), EN))  # type: ignore[arg-type]


def test_auc_is_explained_with_pairs_of_rows() -> None:
    words = explained(metrics={"roc_auc": Estimate(0.7889, 0.7093, 0.8513)})
    assert words == (
        "If one “bad” row and one “good” row are drawn at random, the “bad” row gets the higher"
        " probability of “bad” in 79 of 100 cases (95 % confidence interval: 71 to 85)."
    )


def test_a_narrow_interval_is_written_in_thousandths() -> None:
    assert "929 of 1,000" in explained(metrics={"roc_auc": Estimate(0.929, 0.9255, 0.933)})


def test_auc_of_more_labels_is_a_mean() -> None:
    words = explained(labels=("a", "b", "c"), metrics={"roc_auc": Estimate(0.79, 0.71, 0.85)})
    assert "on average over the labels" in words
    assert "79 of 100" in words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.72, 0.83, "the model is correct more often"),
        (0.65, 0.80, "do not show that the model is correct more often"),
        (0.55, 0.66, "more often than the model at its threshold"),
    ],
)
def test_accuracy_is_compared_with_the_most_frequent_label(
    low: float, high: float, words: str
) -> None:
    assert words in explained(metrics={"accuracy": Estimate((low + high) / 2, low, high)})


def test_the_objective_of_a_threshold_explains_a_low_accuracy() -> None:
    metrics = {"accuracy": Estimate(0.5, 0.45, 0.58)}
    assert "but for the lowest cost" in explained(metrics=metrics)
    assert "but for" not in explained(metrics=metrics, decision=Decision("default", 0.5))


def test_accuracy_without_interval_is_not_compared() -> None:
    words = explained(metrics={"accuracy": Estimate(0.9)})
    assert "Always predicting “good” would be correct in 700 of 1,000." in words
    assert "more often" not in words


def test_an_undefined_metric_is_reported() -> None:
    assert explained(metrics={"roc_auc": Estimate(None)}).startswith("ROC-AUC is not defined")
    assert explained(metrics={}).startswith("ROC-AUC is not defined")


@pytest.mark.parametrize(
    ("estimate", "n_by_label", "words"),
    [
        (
            Estimate(0.79, 0.71, 0.85),
            [140, 60],
            ["The interval is 0.14 wide: with only 200 held-out rows"],
        ),
        (Estimate(0.98, 0.97, 0.99), [140, 60], []),
        (Estimate(0.98), [140, 60], ["No interval could be computed from the 200 held-out rows"]),
        (
            Estimate(0.98, 0.97, 0.99),
            [190, 10],
            ["Few held-out rows have the label “bad” (10): "],
        ),
    ],
)
def test_a_small_hold_out_is_a_caution(
    estimate: Estimate, n_by_label: list[int], words: list[str]
) -> None:
    evidence = evidence_of(metrics={"roc_auc": estimate}, n_by_label=n_by_label)
    said = list(cautions(facts_of(evidence), EN))
    assert len(said) == len(words)
    assert all(text.startswith(start) for text, start in zip(said, words, strict=True))


def test_a_stopped_search_is_a_caution() -> None:
    summary = summary_of(stopped="time budget", n_not_tried=7)
    assert any("not tried: 7" in text for text in cautions(facts_of(summary=summary), EN))
    summary = summary_of(stopped="time budget", n_not_tried=0)
    said = " ".join(cautions(facts_of(summary=summary), EN))
    assert "every candidate was scored, but not on all data" in said
    assert "not tried" not in said


def test_of_more_than_two_labels_the_page_says_why_it_has_no_threshold() -> None:
    said = " ".join(decision(facts_of(evidence_of(("a", "b", "c"))), EN).values())
    assert "there is no threshold" in said
    assert "there is no threshold" not in " ".join(decision(facts_of(evidence_of()), EN).values())


def test_the_best_candidates_are_first_and_all_are_counted() -> None:
    found = best_candidates(candidates_of(2000), ALONE)
    assert found is not None
    assert len(found["best"]) == MAX_CANDIDATES
    assert found["n_all"] == 2000
    scores = [each["score"] for each in found["best"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["is_chosen"] for each in found["best"]] == [True] + [False] * (MAX_CANDIDATES - 1)


def test_a_later_rung_ranks_higher_than_a_better_score() -> None:
    frame = candidates_of(3)
    later = frame.iloc[[2]].assign(iter=1, n_resources=1600, mean_test_score=0.1)
    later["rank_test_score"] = 1
    found = best_candidates(pd.concat([frame, later], ignore_index=True), ALONE)
    assert found is not None
    assert [each["rung"] for each in found["best"]] == [2, 1, 1]
    assert found["best"][0]["score"] == 0.1
    assert found["best"][0]["is_chosen"]


def test_the_candidate_that_the_run_ends_in_is_chosen_whatever_the_ranks() -> None:
    frame = candidates_of(4)
    worst = int(frame["mean_test_score"].idxmin())
    found = best_candidates(frame, replace(ALONE, candidate=worst))
    assert found is not None
    assert found["best"][0]["words"] == f"max_leaf_nodes {worst + 2}"
    assert [each["is_chosen"] for each in found["best"]] == [True, False, False, False]


def test_members_of_an_ensemble_have_weights_and_none_is_chosen() -> None:
    frame = candidates_of(6)
    found = best_candidates(frame, ensemble_of(1, 4))
    assert found is not None
    weights = {each["words"]: each["weight"] for each in found["best"]}
    assert {words for words, weight in weights.items() if weight == 0.5} == {
        "max_leaf_nodes 3",
        "max_leaf_nodes 6",
    }
    assert list(weights.values()).count(None) == 4
    assert not any(each["is_chosen"] for each in found["best"])


def test_of_a_configured_vote_one_candidate_is_chosen() -> None:
    found = best_candidates(candidates_of(4), replace(ensemble_of(None, None), candidate=3))
    assert found is not None
    assert [each["is_chosen"] for each in found["best"]] == [True, False, False, False]
    assert {each["weight"] for each in found["best"]} == {None}


def test_a_candidate_has_the_time_of_its_fits() -> None:
    frame = candidates_of(4).assign(mean_fit_time=[1.0, 2.0, 3.0, 4.0])
    later = frame.iloc[[2]].assign(iter=1, mean_fit_time=7.5)
    found = best_candidates(pd.concat([frame, later], ignore_index=True), ALONE)
    assert found is not None
    assert {each["words"]: each["fit_seconds"] for each in found["best"]} == {
        "max_leaf_nodes 2": 1.0,
        "max_leaf_nodes 3": 2.0,
        "max_leaf_nodes 4": 7.5,
        "max_leaf_nodes 5": 4.0,
    }


def test_only_candidates_fitted_on_all_training_rows_have_a_hold_out_score() -> None:
    finalists = [Finalist(1, Estimate(0.71)), Finalist(4, Estimate(0.72))]
    times = {"model": 0.5, "candidate 1": 12.4, "candidate 4": 1234.5}
    evidence = evidence_of(finalists=finalists)
    joined = best_candidates(candidates_of(6), ensemble_of(1, 4), evidence, times)
    assert joined is not None
    assert sorted(
        (each["auc"].value, each["row_time"]) for each in joined["best"] if each["auc"]
    ) == [
        (0.71, "12"),
        (0.72, "1,234"),
    ]
    alone = best_candidates(candidates_of(6), replace(ALONE, candidate=2), evidence, times)
    assert alone is not None
    assert (alone["best"][0]["auc"].value, alone["best"][0]["row_time"]) == (0.7889, "0.5")
    assert [each["row_time"] for each in alone["best"]].count("–") == 3
    # Without a search of candidates that are known by number, nothing is claimed.
    unknown = best_candidates(candidates_of(6), ensemble_of(1, 4), evidence_of(), {})
    assert unknown is not None
    assert not unknown["is_measured"]


def test_simple_models_stand_beside_the_model_on_the_same_rows() -> None:
    rows = held_out_rows(evidence_of(), ensemble_of(1, 2), EN)
    assert [(row["name"], row["auc"].value, row["is_model"]) for row in rows] == [
        ("ensemble of 2 models (soft vote)", 0.7889, True),
        ("boosting by default", 0.78, False),
        ("always the same label (“good” is the most frequent)", 0.5, False),
    ]
    assert held_out_rows(evidence_of(baselines=()), ALONE, EN) == []


def test_failed_candidates_are_counted_and_not_ranked() -> None:
    frame = candidates_of(4)
    frame.loc[1, ["mean_test_score", "error"]] = [None, "Traceback"]
    found = best_candidates(frame, ALONE)
    assert found is not None
    assert (len(found["best"]), found["n_failed"]) == (3, 1)


def test_without_a_search_there_are_no_candidates() -> None:
    assert best_candidates(None, ALONE) is None
    assert best_candidates(candidates_of(2).drop(columns="mean_test_score"), ALONE) is None
    assert best_candidates(candidates_of(0), ALONE) is None


@pytest.mark.skipif(BASH is None, reason="there is no bash to read the line")
@pytest.mark.parametrize("word", [*ODD_NAMES, "it's\u202e\\n", ""])
def test_a_shell_reads_the_word_that_was_meant(word: str) -> None:
    line = command_line(["printf", "%s", word])
    assert "\u202e" not in line
    assert "\n" not in line
    read = subprocess.run([str(BASH), "-c", line], capture_output=True, check=True)
    assert read.stdout.decode() == word
