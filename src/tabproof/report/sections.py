"""The content of the sections of a report: sentences, rows of tables, and commands to copy."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from tabproof.evaluation_result import (
    LOWER_IS_BETTER,
    Estimate,
    Finding,
    Importance,
    RepeatedScores,
    Slice,
)
from tabproof.report.facts import ReportFacts
from tabproof.report.format import (
    bar,
    cases,
    common_span,
    count,
    decimal,
    in_a_sentence,
    is_hidden,
    n_decimals,
    plain,
    shown,
    span_of,
)
from tabproof.report.language import Texts
from tabproof.report.search_table import read_search

NOTHING = Estimate(None)
MAX_CANDIDATES = 50
# A wider interval does not separate most models.
WIDE = 0.05
# With fewer rows of a label, each row moves its recall by more than 0.03.
FEW = 30
MAX_FEW_LABELS, MAX_SMALL_GROUPS, MAX_LISTED_LABELS = 5, 8, 6
MAX_COLUMNS = 15
# Of a table of groups; evaluation.json has all.
MAX_METRICS, MAX_LABELS = 3, 4
# Characters of a fact in a finding, which may list columns.
MAX_FACT = 400

Row = dict[str, Any]


def metric_name(name: str, t: Texts) -> str:
    """Return the name of a metric for people, or the name itself."""
    return t(f"metric.{name}") if f"metric.{name}" in t else name


# --- Summary: what the main metric means, and cautions.


def meanings(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Explain the main metric, and compare accuracy with always predicting one label."""
    name, estimate = facts.main
    if estimate.value is None:
        yield t("headline.undefined", metric=metric_name(name, t))
    elif name == "roc_auc":
        of, numbers = cases(estimate)
        key = "pairs" if facts.is_binary else "pairs_of_each"
        suffix = "_without_interval" if estimate.interval is None else ""
        labels = [in_a_sentence(label) for label in facts.evidence.labels]
        ends = {"negative": labels[0], "positive": labels[-1]}
        yield t(f"headline.{key}{suffix}", of=of, **ends, **numbers)
    elif name != "accuracy" and f"explained.{name}" in t:
        yield t(f"explained.{name}")
    accuracy = facts.evidence.metrics.get("accuracy", NOTHING)
    if accuracy.value is not None and any(facts.evidence.n_by_label):
        yield from _accuracy(facts, accuracy, t)


def _accuracy(facts: ReportFacts, accuracy: Estimate, t: Texts) -> Iterator[str]:
    n_by_label, decision = facts.evidence.n_by_label, facts.evidence.decision
    of, numbers = cases(accuracy)
    most = max(n_by_label)
    share = most / sum(n_by_label)
    if accuracy.interval is None:
        suffix, key = "_without_interval", "base"
    else:
        low, high = accuracy.interval
        suffix = ""
        key = "base_below" if low > share else "base_above" if high < share else "base_within"
    yield t(f"headline.accuracy{suffix}", of=of, **numbers)
    label = in_a_sentence(facts.evidence.labels[list(n_by_label).index(most)])
    yield t(f"headline.{key}", of=of, label=label, base=round(share * of))
    objective = f"decision.objective_{decision.objective}"
    if decision.objective != "default" and objective in t:
        yield t("headline.objective", objective=t(objective))


def cautions(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Return the reasons why the numbers may mean less than they seem."""
    evidence, interval = facts.evidence, facts.main[1].interval
    n_test = count(evidence.n_test)
    if interval is not None:
        width = interval[1] - interval[0]
        if width > WIDE:
            yield t("headline.wide", n_test=n_test, width=f"{width:.2f}")
        if facts.is_grouped:
            yield t("headline.grouped")
    elif facts.main[1].value is not None:
        yield t("headline.no_interval", n_test=n_test)
    few = [
        f"{t('headline.quoted', text=in_a_sentence(label))} ({count(n_rows)})"
        for label, n_rows in zip(evidence.labels, evidence.n_by_label, strict=True)
        if n_rows < FEW
    ]
    if few:
        yield t("headline.few", labels=_listed(few, MAX_FEW_LABELS, ", "))
    if facts.summary.get("stopped"):
        yield t("headline.stopped", n_not_tried=count(facts.summary.get("n_not_tried") or 0))


def _listed(names: Sequence[str], limit: int, comma: str) -> str:
    return comma.join([*names[:limit], *["…"] * (len(names) > limit)])


def labels_in_words(labels: Sequence[str], t: Texts) -> str:
    """List labels, the first few of many."""
    quoted = [t("headline.quoted", text=in_a_sentence(each)) for each in labels]
    if len(labels) > MAX_LISTED_LABELS:
        more = t("headline.more_labels", n_labels=len(labels))
        return ", ".join(quoted[:MAX_LISTED_LABELS]) + more
    return t("headline.or").join(quoted)


def predicts(facts: ReportFacts, t: Texts) -> str:
    """Return which target with which labels the model predicts."""
    labels = labels_in_words(facts.evidence.labels, t)
    if facts.target is None:
        return t("headline.predicts_one_of", labels=labels)
    return t("headline.predicts", target=in_a_sentence(facts.target), labels=labels)


def tiles(facts: ReportFacts) -> dict[str, str]:
    """Return the size of the run, by key of the texts."""
    evidence = facts.evidence
    numbers = {
        "rows_learned": evidence.n_train,
        "rows_held_out": evidence.n_test,
        "columns": facts.n_columns,
        "candidates": facts.summary["n_candidates"],
    }
    if facts.is_checked or facts.findings:
        numbers["findings"] = len(facts.findings)
    return {name: count(number) for name, number in numbers.items()}


# --- Data checks.


@dataclass(frozen=True)
class FindingText:
    """A finding in the language of the page, or in English as it was logged."""

    title: str
    text: str
    columns: Sequence[str]
    is_english: bool


def findings(facts: ReportFacts, language: str) -> list[FindingText]:
    """Return the findings of the data checks."""
    return [_finding_text(finding, language) for finding in facts.findings]


def undefined_folds(facts: ReportFacts, language: str) -> FindingText | None:
    """Return the finding that folds of repeated cross-validation leave metrics undefined."""
    finding = facts.finding_of("undefined_folds")
    return None if finding is None else _finding_text(finding, language)


def _finding_text(finding: Finding, language: str) -> FindingText:
    texts = Texts("findings", language)
    values = {key: _fact(value) for key, value in finding.facts.items()}
    try:
        title, text = (texts(f"{finding.check}.{key}", **values) for key in ("title", "text"))
        is_english = False
    except (KeyError, IndexError, ValueError):
        # A finding of another version: the logged message is still right.
        title = shown(finding.check.replace("_", " ").capitalize())
        text, is_english = shown(finding.message), True
    # Most texts name the columns, some only the first few.
    columns = [column for column in finding.columns if shown(column) not in text]
    return FindingText(title, text, columns, is_english)


def _fact(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value, MAX_FACT)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_a_sentence, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{in_a_sentence(str(key))} ({each})" for key, each in value.items())
    return value


# --- Metrics, importances and groups.


def metric_rows(metrics: Mapping[str, Estimate], t: Texts) -> list[Row]:
    """Return a row per metric, with its meaning."""
    return [
        {
            "name": metric_name(name, t),
            "estimate": estimate,
            "bar": bar(estimate, span_of(name)),
            "meaning": t(f"explained.{name}") if f"explained.{name}" in t else "",
            "is_lower_better": name in LOWER_IS_BETTER,
        }
        for name, estimate in metrics.items()
    ]


def repeated_rows(repeated: RepeatedScores | None, t: Texts) -> list[Row]:
    """Return a row per metric of repeated cross-validation, with its standard error."""
    if repeated is None:
        return []
    rows = metric_rows(repeated.metrics, t)
    for row, (name, mean) in zip(rows, repeated.metrics.items(), strict=True):
        # One digit more than the mean has: it is much smaller than the interval.
        row["error"] = decimal(repeated.standard_errors.get(name), n_decimals(mean) + 1)
    return rows


def importance_rows(importances: Sequence[Importance]) -> list[Row]:
    """Return a row per column, the most important first, with bars on a common axis."""
    ordered = sorted(importances, key=lambda each: -(each.drop.value or 0.0))[:MAX_COLUMNS]
    span = common_span([Estimate(0.0), *(each.drop for each in ordered)])
    return [
        {"column": each.column, "drop": each.drop, "bar": bar(each.drop, span)} for each in ordered
    ]


def slice_tables(facts: ReportFacts, t: Texts) -> list[Row]:
    """Return a table per column, with a row per group."""
    return [_slice_table(part, facts, t) for part in facts.evidence.slices]


def _slice_table(part: Slice, facts: ReportFacts, t: Texts) -> Row:
    labels = facts.evidence.labels
    # Of two labels the positive one is enough.
    codes = [1] if facts.is_binary else list(range(min(len(labels), MAX_LABELS)))
    measured = dict.fromkeys(name for group in part.groups for name in group.metrics)
    preferred = dict.fromkeys([facts.main[0], "accuracy", "f1", *measured])
    names = [name for name in preferred if name in measured][:MAX_METRICS]
    table = [[group.metrics.get(name, NOTHING) for name in names] for group in part.groups]
    span = common_span(estimates[0] for estimates in table if estimates)
    groups = [
        {
            "name": group.name,
            "n_rows": group.n_rows,
            "n_by_label": [group.n_by_label[code] for code in codes],
            "estimates": estimates,
            "bar": bar(estimates[0], span) if estimates else None,
            "shares": [group.shares[code] for code in codes],
            "is_small": group.is_small,
        }
        for group, estimates in zip(part.groups, table, strict=True)
    ]
    ratios = [
        t("slices.no_ratio", label=in_a_sentence(labels[code]))
        if (ratio := part.ratios[code]) is None
        else t("slices.ratio", label=in_a_sentence(labels[code]), ratio=decimal(ratio, 2))
        for code in codes
    ]
    return {
        "column": part.column,
        "labels": [labels[code] for code in codes],
        "metrics": [metric_name(name, t) for name in names],
        "groups": groups,
        "ratios": ratios,
    }


# --- Calibration and threshold, learning curve, search.


def decision(facts: ReportFacts, t: Texts) -> dict[str, str]:
    """Return how a probability becomes a label, by key of the texts."""
    evidence, made = facts.evidence, facts.evidence.decision
    calibration = f"decision.calibration_{evidence.calibration}"
    objective = f"decision.objective_{made.objective}"
    label = in_a_sentence(evidence.labels[-1])
    if not facts.is_binary:
        rule = t("decision.most_probable")
    elif made.threshold is None or made.objective == "default":
        rule = t("decision.above_half", label=label)
    else:
        rule = t("decision.from_threshold", label=label, threshold=f"{made.threshold:.4g}")
    lines = {
        "calibration": t(calibration) if calibration in t else shown(evidence.calibration),
        "rule": rule,
        "chosen_for": t(objective) if objective in t else shown(made.objective),
    }
    required = {"min_recall": made.min_recall, "min_precision": made.min_precision}
    lines |= {name: plain(value) for name, value in required.items() if value is not None}
    if made.score is not None:
        score = f"score_{made.objective}"
        lines[score if f"decision.{score}" in t else "score"] = decimal(made.score)
    return lines


def learning(facts: ReportFacts, t: Texts) -> str | None:
    """Return whether the learning curve still rises at its end, as the run found."""
    finding = facts.finding_of("learning_curve")
    texts = Texts("findings", t.language)
    if finding is None or f"learning_curve.{finding.facts.get('end')}" not in texts:
        return None
    found = finding.facts
    sentences = [texts(f"learning_curve.{found['end']}")]
    numbers = {name: count(found[name]) for name in ("n_before", "n_rows") if name in found}
    ends = {name: decimal(found[name]) for name in ("gain", "low", "high") if name in found}
    if found.get("low") is not None:
        sentences.append(texts("learning_curve.change", **numbers, **ends))
    elif found.get("gain") is not None:
        sentences.append(texts("learning_curve.change_alone", **numbers, **ends))
    if found.get("left_out"):
        sentences.append(texts("learning_curve.left_out", sizes=", ".join(found["left_out"])))
    return " ".join(sentences)


def best_candidates(cv_results: pd.DataFrame | None) -> Row | None:
    """Return the best candidates, by last rung and then score; None without a search."""
    if cv_results is None or cv_results.empty or "mean_test_score" not in cv_results:
        return None
    table = read_search(cv_results)
    is_scored = np.isfinite(table.scores)
    scored = np.flatnonzero(is_scored.any(axis=1)).tolist()
    last = table.scores.shape[1] - 1 - np.argmax(is_scored[:, ::-1], axis=1)
    score = table.scores[np.arange(len(last)), last]
    order = sorted(scored, key=lambda n: (n != table.winner, -last[n], -score[n], n))
    best = [
        {
            "words": table.in_words(n),
            "score": float(score[n]),
            "rung": int(last[n]) + 1,
            "is_chosen": n == table.winner,
        }
        for n in order[:MAX_CANDIDATES]
    ]
    return {
        "best": best,
        "n_all": table.n_candidates,
        "n_failed": table.n_candidates - len(scored),
        "n_rungs": len(table.rungs),
    }


# --- Limitations.


def limits(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Return what the numbers do not show."""
    evidence = facts.evidence
    yield from cautions(facts, t)
    yield t("limits.same_source", n_test=count(evidence.n_test))
    yield t("limits.extrapolation")
    yield t("limits.selection")
    if not evidence.slices:
        yield t("limits.no_slices")
    small = [
        f"{in_a_sentence(part.column)} = {in_a_sentence(group.name)}"
        for part in evidence.slices
        for group in part.groups
        if group.is_small
    ]
    if small:
        names = _listed(small, MAX_SMALL_GROUPS, "; ")
        yield t("limits.small_groups", n_groups=count(len(small)), names=names)
    if evidence.calibration == "none":
        yield t("limits.not_calibrated")
    if evidence.importances or evidence.dependences:
        yield t("limits.not_causes")
    if facts.findings:
        yield t("limits.findings", n_findings=count(len(facts.findings)))
    elif not facts.is_checked:
        yield t("limits.not_checked")


# --- Data and versions, commands, files.


def origin(facts: ReportFacts, t: Texts) -> dict[str, str]:
    """Return data, code and versions of the run, by key of the texts."""
    summary = facts.summary
    lines = {"run_id": summary["run_id"], "fingerprint": summary["data"]["sha256"]}
    if summary.get("n_rows_without_target"):
        lines["without_target"] = count(summary["n_rows_without_target"])
    commit = summary["git"].get("commit") or "–"
    is_changed = summary["git"].get("commit") and not summary["git"].get("clean")
    lines["commit"] = f"{commit} ({t('origin.not_clean')})" if is_changed else commit
    lines["code"] = summary["code"]
    lines["versions"] = versions_in_words(summary)
    parts = (summary["platform"].get(name) for name in ("system", "machine", "libc"))
    lines["platform"] = ", ".join(str(part) for part in parts if part)
    if parity := summary.get("parity"):
        largest = parity["max_difference"]
        difference, n_rows = f"{largest:.0e}" if largest else "0", count(parity["n_rows"])
        lines["parity"] = t("origin.parity_text", difference=difference, n_rows=n_rows)
    return lines


def versions_in_words(summary: Mapping[str, Any]) -> str:
    """List names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in summary["versions"].items())


def files(facts: ReportFacts, t: Texts) -> list[Row]:
    """Return the files beside the page, with links."""
    keys = [f"files.{name.rstrip('/').replace('.', '_')}" for name in facts.files]
    return [
        {"name": name, "link": f"./{quote(name)}", "meaning": t(key) if key in t else ""}
        for name, key in zip(facts.files, keys, strict=True)
    ]


def commands(facts: ReportFacts) -> dict[str, str]:
    """Return the command lines of the run to copy, by what they do."""
    run = facts.run_path
    python = ["python", "-m"]
    score = [*python, "src.score", f"run={run}", "input=new.csv", "output=scored.csv"]
    promote = command_line([*python, "src.runs", "promote", run, "--name", "NAME"])
    return {
        "train": command_line(facts.command),
        "replay": command_line([*python, "src.replay", run]),
        "score": command_line(score),
        "service": f"{promote}\nmake api",
    }


def command_line(words: Sequence[str]) -> str:
    """Quote words for a POSIX shell; words with hidden characters for bash."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not any(map(is_hidden, word)):
        return shlex.quote(word)
    letters = ""
    for letter in word:
        if is_hidden(letter):
            letters += f"\\U{ord(letter):08x}"
        else:
            letters += f"\\{letter}" if letter in "\\'" else letter
    return f"$'{letters}'"
