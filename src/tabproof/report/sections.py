"""What the page tells in words and pairs of them: findings, decision, origin, files."""

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
    Group,
    Importance,
    RepeatedScores,
    Slice,
)
from tabproof.report.facts import ReportFacts
from tabproof.report.format import (
    Bar,
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
from tabproof.report.search_table import SearchTable, read_search

# --- The best of what a search tried, as rows of a table.

MOST = 50


@dataclass(frozen=True)
class Candidate:
    """score is that of the last rung it was scored in; rungs are counted from 1."""

    words: str
    score: float
    rung: int
    is_chosen: bool


@dataclass(frozen=True)
class Candidates:
    """The best first; n_all counts those that are left out too, n_failed has no score at all."""

    best: Sequence[Candidate]
    n_all: int
    n_failed: int
    n_rungs: int


def best_candidates(cv_results: pd.DataFrame | None) -> Candidates | None:
    """Order candidates by how far they came, then by score; None where nothing was searched."""
    if cv_results is None or cv_results.empty or "mean_test_score" not in cv_results:
        return None
    table = read_search(cv_results)
    is_scored = np.isfinite(table.scores)
    scored = np.flatnonzero(is_scored.any(axis=1))
    last = table.scores.shape[1] - 1 - np.argmax(is_scored[:, ::-1], axis=1)
    order = sorted(
        scored.tolist(),
        key=lambda n: (n != table.winner, -last[n], -table.scores[n, last[n]], n),
    )
    return Candidates(
        best=[_row(table, number, int(last[number])) for number in order[:MOST]],
        n_all=table.n_candidates,
        n_failed=table.n_candidates - len(scored),
        n_rungs=len(table.rungs),
    )


def _row(table: SearchTable, number: int, rung: int) -> Candidate:
    score = float(table.scores[number, rung])
    return Candidate(table.in_words(number), score, rung + 1, number == table.winner)


# --- Command lines to copy: what a shell reads is what a reader sees.


def train_command(facts: ReportFacts) -> str:
    """Give the line that made the run."""
    return command_line(facts.command)


def replay_command(facts: ReportFacts) -> str:
    """Give the line that trains it again and compares."""
    return command_line(["python", "-m", "src.replay", facts.run_path])


def score_command(facts: ReportFacts) -> str:
    """Give the line that scores a file."""
    run = f"run={facts.run_path}"
    return command_line(["python", "-m", "src.score", run, "input=new.csv", "output=scored.csv"])


def service_commands(facts: ReportFacts) -> str:
    """Give the lines that promote a run and serve it."""
    words = ["python", "-m", "src.runs", "promote", facts.run_path, "--name", "NAME"]
    return f"{command_line(words)}\nmake api"


def command_line(words: Sequence[str]) -> str:
    """Quote words for a POSIX shell; those with letters that nobody sees for bash."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not any(map(is_hidden, word)):
        return shlex.quote(word)
    letters = (
        _escape(letter) if is_hidden(letter) or letter in "\\'" else letter for letter in word
    )
    return f"$'{''.join(letters)}'"


def _escape(letter: str) -> str:
    return f"\\{letter}" if letter in "\\'" else f"\\U{ord(letter):08x}"


# --- What the main metric means, in sentences for somebody who has never heard of it.

# An interval that is wider does not tell most models apart.
WIDE = 0.05
# Of a label: with fewer rows, each moves its recall by 3 points of 100 or more.
FEW = 30
MOST_NAMED = 5


def meanings(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say what the main metric means, and how accuracy stands to always saying the same."""
    name, estimate = facts.main
    if estimate.value is None:
        yield t("headline.undefined", metric=metric_name(name, t))
    elif name == "roc_auc":
        yield _pairs(facts, estimate, t)
    elif name != "accuracy" and f"explained.{name}" in t:
        yield t(f"explained.{name}")
    accuracy = facts.evidence.metrics.get("accuracy", Estimate(None))
    if accuracy.value is not None and any(facts.evidence.n_by_label):
        yield from _against_the_most_frequent(facts, accuracy, t)


def cautions(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say why the numbers may mean less than they seem to."""
    evidence = facts.evidence
    _, estimate = facts.main
    n_test = count(evidence.n_test)
    if estimate.value is not None and estimate.interval is None:
        yield t("headline.no_interval", n_test=n_test)
    elif estimate.interval is not None and estimate.interval[1] - estimate.interval[0] > WIDE:
        width = f"{estimate.interval[1] - estimate.interval[0]:.2f}"
        yield t("headline.wide", n_test=n_test, width=width)
    if facts.is_grouped and estimate.interval is not None:
        yield t("headline.grouped")
    few = _labels_with_few_rows(facts, t)
    if few:
        yield t("headline.few", labels=few)
    if facts.summary.get("stopped"):
        yield t("headline.stopped", n_not_tried=count(facts.summary.get("n_not_tried") or 0))


def metric_name(name: str, t: Texts) -> str:
    """Give a metric's name as people write it, or as it is known here."""
    return t(f"metric.{name}") if f"metric.{name}" in t else name


def _labels_with_few_rows(facts: ReportFacts, t: Texts) -> str:
    numbers = zip(facts.evidence.labels, facts.evidence.n_by_label, strict=True)
    few = [
        f"{t('headline.quoted', text=in_a_sentence(label))} ({count(n_rows)})"
        for label, n_rows in numbers
        if n_rows < FEW
    ]
    return ", ".join(few[:MOST_NAMED]) + (", …" if len(few) > MOST_NAMED else "")


def _pairs(facts: ReportFacts, estimate: Estimate, t: Texts) -> str:
    of, numbers = cases(estimate)
    key = "pairs" if facts.is_binary else "pairs_of_each"
    if estimate.interval is None:
        key += "_without_interval"
    labels = [in_a_sentence(label) for label in facts.evidence.labels]
    return t(f"headline.{key}", of=of, negative=labels[0], positive=labels[-1], **numbers)


def _against_the_most_frequent(facts: ReportFacts, accuracy: Estimate, t: Texts) -> Iterator[str]:
    evidence = facts.evidence
    of, numbers = cases(accuracy)
    most = max(evidence.n_by_label)
    share = most / sum(evidence.n_by_label)
    label = in_a_sentence(evidence.labels[list(evidence.n_by_label).index(most)])
    suffix = "_without_interval" if accuracy.interval is None else ""
    yield t(f"headline.accuracy{suffix}", of=of, **numbers)
    key = "base" if accuracy.interval is None else _standing(*accuracy.interval, share)
    yield t(f"headline.{key}", of=of, label=label, base=round(share * of))
    objective = f"decision.objective_{evidence.decision.objective}"
    if evidence.decision.objective != "default" and objective in t:
        yield t("headline.objective", objective=t(objective))


def _standing(low: float, high: float, share: float) -> str:
    if low > share:
        return "base_below"
    return "base_above" if high < share else "base_within"


# --- What a run has not shown: said in its report and on its model card.

MOST_NAMED_limits = 8


def limits(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say in sentences what the numbers do not tell, the more certain ones first."""
    evidence = facts.evidence
    yield from cautions(facts, t)
    yield t("limits.same_source", n_test=count(evidence.n_test))
    yield t("limits.extrapolation")
    yield t("limits.selection")
    if evidence.slices:
        yield from _small_groups(facts, t)
    else:
        yield t("limits.no_slices")
    if evidence.calibration == "none":
        yield t("limits.not_calibrated")
    if evidence.importances or evidence.dependences:
        yield t("limits.not_causes")
    if facts.findings:
        yield t("limits.findings", n_findings=count(len(facts.findings)))
    elif not facts.is_checked:
        yield t("limits.not_checked")


def _small_groups(facts: ReportFacts, t: Texts) -> Iterator[str]:
    names = [
        f"{in_a_sentence(part.column)} = {in_a_sentence(group.name)}"
        for part in facts.evidence.slices
        for group in part.groups
        if group.is_small
    ]
    if names:
        more = "…" if len(names) > MOST_NAMED_limits else ""
        yield t(
            "limits.small_groups",
            n_groups=count(len(names)),
            names="; ".join(names[:MOST_NAMED_limits]) + more,
        )


# --- Rows of the page's tables.

MOST_COLUMNS = 15
# Of groups; evaluation.json has all.
MOST_METRICS, MOST_LABELS = 3, 4


@dataclass(frozen=True)
class MetricRow:
    """A metric, and what it says; error is the standard error of a mean."""

    name: str
    estimate: Estimate
    bar: Bar | None
    meaning: str
    is_lower_better: bool
    error: str = ""


@dataclass(frozen=True)
class ImportanceRow:
    """A column, and the metric's fall without it."""

    column: str
    drop: Estimate
    bar: Bar | None


@dataclass(frozen=True)
class GroupRow:
    """estimates are those of the table's metrics; bar draws the first."""

    name: str
    n_rows: int
    n_by_label: Sequence[int]
    estimates: Sequence[Estimate]
    bar: Bar | None
    shares: Sequence[Estimate]
    is_small: bool


@dataclass(frozen=True)
class SliceTable:
    """labels are those whose shares are shown: of two the positive one."""

    column: str
    labels: Sequence[str]
    metrics: Sequence[str]
    groups: Sequence[GroupRow]
    ratios: Sequence[str]


def metric_rows(metrics: Mapping[str, Estimate], t: Texts) -> list[MetricRow]:
    """Explain each metric beside its number."""
    return [_metric_row(name, estimate, t) for name, estimate in metrics.items()]


def repeated_rows(repeated: RepeatedScores | None, t: Texts) -> list[MetricRow]:
    """Put the standard errors beside the means."""
    if repeated is None:
        return []
    return [
        _metric_row(
            name,
            mean,
            t,
            # One digit more than the mean has: it is smaller than the interval by far.
            error=decimal(repeated.standard_errors.get(name), n_decimals(mean) + 1),
        )
        for name, mean in repeated.metrics.items()
    ]


def _metric_row(name: str, estimate: Estimate, t: Texts, error: str = "") -> MetricRow:
    return MetricRow(
        name=metric_name(name, t),
        estimate=estimate,
        bar=bar(estimate, span_of(name)),
        meaning=t(f"explained.{name}") if f"explained.{name}" in t else "",
        is_lower_better=name in LOWER_IS_BETTER,
        error=error,
    )


def importance_rows(importances: Sequence[Importance]) -> list[ImportanceRow]:
    """Order columns by what they are worth, on one common line."""
    ordered = sorted(importances, key=lambda one: -(one.drop.value or 0.0))[:MOST_COLUMNS]
    span = common_span([Estimate(0.0), *(one.drop for one in ordered)])
    return [ImportanceRow(one.column, one.drop, bar(one.drop, span)) for one in ordered]


def slice_tables(facts: ReportFacts, t: Texts) -> list[SliceTable]:
    """Make a table per column."""
    return [_slice_table(part, facts, t) for part in facts.evidence.slices]


def _slice_table(part: Slice, facts: ReportFacts, t: Texts) -> SliceTable:
    labels = facts.evidence.labels
    codes = [1] if facts.is_binary else list(range(min(len(labels), MOST_LABELS)))
    names = _names_of_metrics(part, facts)
    groups = part.groups
    span = common_span(
        group.metrics[name] for group in groups for name in names[:1] if name in group.metrics
    )
    return SliceTable(
        column=part.column,
        labels=[labels[code] for code in codes],
        metrics=[metric_name(name, t) for name in names],
        groups=[_group_row(group, names, codes, span) for group in groups],
        ratios=[_ratio(labels[code], part.ratios[code], t) for code in codes],
    )


def _names_of_metrics(part: Slice, facts: ReportFacts) -> list[str]:
    first, _ = facts.main
    measured = dict.fromkeys(name for group in part.groups for name in group.metrics)
    preferred = [first, "accuracy", "f1"]
    return [name for name in dict.fromkeys([*preferred, *measured]) if name in measured][
        :MOST_METRICS
    ]


def _group_row(
    group: Group, names: Sequence[str], codes: Sequence[int], span: tuple[float, float] | None
) -> GroupRow:
    estimates = [group.metrics.get(name, Estimate(None)) for name in names]
    return GroupRow(
        name=group.name,
        n_rows=group.n_rows,
        n_by_label=[group.n_by_label[code] for code in codes],
        estimates=estimates,
        bar=bar(estimates[0], span) if estimates else None,
        shares=[group.shares[code] for code in codes],
        is_small=group.is_small,
    )


def _ratio(label: str, ratio: float | None, t: Texts) -> str:
    if ratio is None:
        return t("slices.no_ratio", label=in_a_sentence(label))
    return t("slices.ratio", label=in_a_sentence(label), ratio=decimal(ratio, 2))


MOST_LABELS_told = 6
# Of a fact in a finding, which may list columns.
MOST_LETTERS = 400


@dataclass(frozen=True)
class ToldFinding:
    """A finding in the page's language, or as it was logged."""

    title: str
    text: str
    columns: Sequence[str]
    is_english: bool


@dataclass(frozen=True)
class File:
    """What lies beside the page."""

    name: str
    link: str
    meaning: str


def labels_in_words(labels: Sequence[str], t: Texts) -> str:
    """List labels, the first few of many."""
    quoted = [
        t("headline.quoted", text=in_a_sentence(label)) for label in labels[:MOST_LABELS_told]
    ]
    if len(labels) > MOST_LABELS_told:
        return ", ".join(quoted) + t("headline.more_labels", n_labels=len(labels))
    return t("headline.or").join(quoted)


def predicts(facts: ReportFacts, t: Texts) -> str:
    """Say what the model tells of a row."""
    labels = labels_in_words(facts.evidence.labels, t)
    if facts.target is None:
        return t("headline.predicts_one_of", labels=labels)
    return t("headline.predicts", target=in_a_sentence(facts.target), labels=labels)


def tiles(facts: ReportFacts) -> list[tuple[str, str]]:
    """Give the run's size, by key of its texts."""
    evidence, summary = facts.evidence, facts.summary
    told = [
        ("rows_learned", count(evidence.n_train)),
        ("rows_held_out", count(evidence.n_test)),
        ("columns", count(facts.n_columns)),
        ("candidates", count(summary["n_candidates"])),
    ]
    if facts.is_checked or facts.findings:
        told.append(("findings", count(len(facts.findings))))
    return told


def findings(facts: ReportFacts, language: str) -> list[ToldFinding]:
    """Word what checks found, where the catalogue knows the check."""
    texts = Texts("findings", language)
    return [_told(finding, texts) for finding in facts.findings]


def undefined_folds(facts: ReportFacts, language: str) -> ToldFinding | None:
    """Word that folds of repeated cross-validation leave metrics undefined."""
    finding = facts.finding_of("undefined_folds")
    return None if finding is None else _told(finding, Texts("findings", language))


def _told(finding: Finding, texts: Texts) -> ToldFinding:
    title, text = f"{finding.check}.title", f"{finding.check}.text"
    if title in texts and text in texts:
        values = {key: _value(value) for key, value in finding.facts.items()}
        try:
            return _with_columns(finding, texts(title, **values), texts(text, **values), False)
        except (KeyError, IndexError, ValueError):
            # Of a run of another version: what it logged still stands.
            pass
    name = finding.check.replace("_", " ").capitalize()
    return _with_columns(finding, shown(name), shown(finding.message), True)


def _with_columns(finding: Finding, title: str, text: str, is_english: bool) -> ToldFinding:
    # Most texts name them, some only the first few.
    columns = [column for column in finding.columns if shown(column) not in text]
    return ToldFinding(title, text, columns, is_english)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value, MOST_LETTERS)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_a_sentence, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{in_a_sentence(str(key))} ({each})" for key, each in value.items())
    return value


def decision(facts: ReportFacts, t: Texts) -> list[tuple[str, str]]:
    """Say how a probability becomes a label, by key of its texts."""
    evidence, made = facts.evidence, facts.evidence.decision
    calibration = f"decision.calibration_{evidence.calibration}"
    objective = f"decision.objective_{made.objective}"
    told = [
        ("calibration", t(calibration) if calibration in t else shown(evidence.calibration)),
        ("rule", rule(facts, t)),
        ("chosen_for", t(objective) if objective in t else shown(made.objective)),
    ]
    asked = {"min_recall": made.min_recall, "min_precision": made.min_precision}
    told += [(name, plain(value)) for name, value in asked.items() if value is not None]
    if made.score is not None:
        score = f"score_{made.objective}"
        told.append((score if f"decision.{score}" in t else "score", decimal(made.score)))
    return told


def rule(facts: ReportFacts, t: Texts) -> str:
    """Say which label is predicted."""
    threshold = facts.evidence.decision.threshold
    if not facts.is_binary:
        return t("decision.most_probable")
    label = in_a_sentence(facts.evidence.labels[1])
    if threshold is None or facts.evidence.decision.objective == "default":
        return t("decision.above_half", label=label)
    return t("decision.from_threshold", label=label, threshold=f"{threshold:.4g}")


def learning(facts: ReportFacts, t: Texts) -> str | None:
    """Say whether the learning curve rises at its end, as the run concluded."""
    finding = facts.finding_of("learning_curve")
    if finding is None:
        return None
    found, texts = finding.facts, Texts("findings", t.language)
    key = f"learning_curve.{found.get('end')}"
    if key not in texts:
        return None
    numbers = {name: count(found[name]) for name in ("n_before", "n_rows") if name in found}
    if found.get("low") is not None:
        ends = {name: decimal(found[name]) for name in ("gain", "low", "high")}
        change = texts("learning_curve.change", **numbers, **ends)
    elif found.get("gain") is not None:
        change = texts("learning_curve.change_alone", **numbers, gain=decimal(found["gain"]))
    else:
        change = ""
    left_out = ", ".join(found.get("left_out") or ())
    remark = texts("learning_curve.left_out", sizes=left_out) if left_out else ""
    return " ".join(part for part in (texts(key), change, remark) if part)


def origin(facts: ReportFacts, t: Texts) -> list[tuple[str, str]]:
    """Say what the numbers stand on, by key of its texts."""
    summary = facts.summary
    told = [("run_id", summary["run_id"]), ("fingerprint", summary["data"]["sha256"])]
    if summary.get("n_rows_without_target"):
        told.append(("without_target", count(summary["n_rows_without_target"])))
    told += [("commit", _commit(summary["git"], t)), ("code", summary["code"])]
    told += [("versions", versions_in_words(summary)), ("platform", _platform(summary))]
    parity = summary.get("parity")
    if parity:
        words = {
            "difference": f"{parity['max_difference']:.0e}" if parity["max_difference"] else "0",
            "n_rows": count(parity["n_rows"]),
        }
        told.append(("parity", t("origin.parity_text", **words)))
    return told


def versions_in_words(summary: Mapping[str, Any]) -> str:
    """List names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in summary["versions"].items())


def _commit(git: Mapping[str, Any], t: Texts) -> str:
    commit = git.get("commit")
    if not commit:
        return "–"
    return commit if git.get("clean") else f"{commit} ({t('origin.not_clean')})"


def _platform(summary: Mapping[str, Any]) -> str:
    parts = (summary["platform"].get(name) for name in ("system", "machine", "libc"))
    return ", ".join(str(part) for part in parts if part)


def files(facts: ReportFacts, t: Texts) -> list[File]:
    """Say what lies beside the page."""
    return [_file(name, t) for name in facts.files]


def _file(name: str, t: Texts) -> File:
    key = f"files.{name.rstrip('/').replace('.', '_')}"
    return File(name, f"./{quote(name)}", t(key) if key in t else "")
