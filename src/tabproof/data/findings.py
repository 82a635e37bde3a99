"""Findings in words, in English; the pages say the same in other languages from the facts."""

from collections.abc import Iterable, Sequence
from typing import Any

from tabproof.data.errors import DataChecksFailedError
from tabproof.evaluation_result import Finding
from tabproof.text import value_in_words

# So many columns are named; how many there are is told.
N_NAMED = 10
DROP = "dataset.drop_columns=[…] of dataset=file"

# By check: a title, and a sentence with places for facts.
SENTENCES = {
    "leak": (
        "Columns that give the target away",
        "{n_columns:,} column(s) alone give the target away, with an AUC above {limit:g}:"
        f" {{named}}; if they become known only with the target, leave them out: {DROP}",
    ),
    "ids": (
        "Columns that look like ids",
        "{n_columns:,} column(s) look like ids, with a value of its own in nearly each row:"
        f" {{named}}; unless they measure something, leave them out: {DROP}",
    ),
    "overlap": (
        "Rows both in training and held out",
        "{n_rows:,} of {n_test:,} rows held out ({share:.2%}) are copies of training rows,"
        " {n_same_target:,} of them with the same target ({n_distinct:,} of {n_table:,} rows are"
        " distinct): metrics may flatter; if copies are of one subject, keep them together"
        " (cv=grouped) or remove them",
    ),
    "conflicts": (
        "Same row, another target",
        "{n_rows:,} of {n_table:,} rows ({share:.2%}) have a copy with another target: no model"
        " of these columns reaches an accuracy above {best_accuracy:.2%}; labels may be wrong,"
        " or a column is missing that tells them apart",
    ),
    "missing": (
        "Columns nearly always missing",
        "{n_columns:,} column(s) lack at least {limit:.1%} of their values: {named};"
        f" see whether the source is whole, or leave them out: {DROP}",
    ),
    "single_categories": (
        "Categories seen once",
        "categories that stand in one training row only: {n_categories:,}, in {n_columns:,}"
        " column(s): {named}; little is learned from one row: join rare categories in the source",
    ),
    "unseen_categories": (
        "Categories that only the hold-out has",
        "categories that stand in no training row: {n_categories:,}, in {n_columns:,} column(s):"
        " {named}; {n_rows:,} of {n_test:,} rows held out ({share:.2%}) have one; the model"
        " takes them for unknown: join rare categories in the source",
    ),
    "drift": (
        "The hold-out differs from the training rows",
        "a classifier tells rows held out from training rows with an AUC of {auc:.3f}"
        " (± {margin:.3f}; 0.5 if they were alike), most by {named}: metrics are of other rows"
        " than those learned from; see how rows are divided (cv=…), or leave out columns that"
        f" only tell when or where a row is from: {DROP}",
    ),
    "imbalance": (
        "Rare classes",
        "{n_rare:,} of {n_labels:,} classes make up less than {limit:.1%} of the rows each:"
        " {named}; accuracy says little here: read PR-AUC or balanced accuracy",
    ),
}


def make_finding(check: str, columns: Sequence[str] = (), **facts: Any) -> Finding:
    """Word what was found; facts are plain JSON values."""
    message = SENTENCES[check][1].format(**facts)
    return Finding(check, message, tuple(columns[:N_NAMED]), facts)


def named(values: Iterable[tuple[str, str]]) -> str:
    """Name columns or labels, each with a figure, in one line that needs no language."""
    words = [f"'{value_in_words(name)}' ({figure})" for name, figure in values]
    return ", ".join(words[:N_NAMED]) + (", …" if len(words) > N_NAMED else "")


def findings_in_words(findings: Iterable[Finding]) -> list[str]:
    """Say each finding in a line."""
    return [finding.message for finding in findings]


def refuse(findings: Sequence[Finding]) -> None:
    """End the run where anything was found; raises DataChecksFailedError."""
    if findings:
        raise DataChecksFailedError([_shortly(finding) for finding in findings])


def _shortly(finding: Finding) -> str:
    title = SENTENCES[finding.check][0]
    title = title[0].lower() + title[1:]
    if not finding.columns:
        return title
    columns = ", ".join(f"'{value_in_words(name)}'" for name in finding.columns)
    more = finding.facts.get("n_columns", 0) > len(finding.columns)
    return f"{title} ({columns}{', …' if more else ''})"
