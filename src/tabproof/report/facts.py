"""The facts of a run for report.html and model_card.md, and the sentences and rows made of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tabproof.artifacts import EstimatorFacts, model_name_of
from tabproof.artifacts.files import read_yaml
from tabproof.evaluation_result import LOWER_IS_BETTER, Estimate, Evidence, Finding, Slice
from tabproof.report import format as fmt
from tabproof.report.columns import treatments
from tabproof.report.format import Texts
from tabproof.report.model import micro
from tabproof.report.panels import Panels
from tabproof.schema import Schema
from tabproof.text import shell_word

Row = dict[str, Any]
NOTHING = Estimate(None)
# Of a table of groups; evaluation.json has all.
MAX_METRICS, MAX_SHARES = 3, 4
# Findings that stand above all numbers, and those of the evaluation with a section of their own.
OF_THE_RESULT = ("not_better_than_chance", "baseline_is_better")
OF_THE_MODEL = (*OF_THE_RESULT, "learning_curve", "undefined_folds")


@dataclass(frozen=True)
class ReportFacts:
    """Everything that report.html and model_card.md show of a run.

    summary: the content of summary.json. estimator: what the run ends in. candidates: cv_results
    of the search. pictures: SVG by name, trusted as they are. target: the predicted column.
    files: in the run directory. panels: what scripts in report.html show.
    """

    evidence: Evidence
    summary: Mapping[str, Any]
    estimator: EstimatorFacts
    candidates: pd.DataFrame | None
    config_yaml: str
    pictures: Mapping[str, str]
    command: Sequence[str]
    run_path: str
    target: str | None = None
    files: Sequence[str] = ()
    schema: Schema | None = None
    panels: Panels | None = None

    @property
    def main(self) -> tuple[str, Estimate]:
        """The name and the estimate of the main metric."""
        metrics, name = self.evidence.metrics, self.evidence.metric
        name = name if name in metrics else next(iter(metrics), name)
        return name, metrics.get(name, NOTHING)

    @property
    def dataset(self) -> str:
        """The name of the table, without its source: adult, not openml_adult."""
        return model_name_of(self.summary["dataset"])

    @property
    def findings(self) -> list[Finding]:
        """The findings of the data checks."""
        return [each for each in self.evidence.findings if each.check not in OF_THE_MODEL]

    def finding_of(self, check: str) -> Finding | None:
        """Return the finding of a check; None where it has none."""
        return next((each for each in self.evidence.findings if each.check == check), None)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration."""
        content = read_yaml(self.config_yaml)
        return content if isinstance(content, dict) else {}

    @property
    def row_times(self) -> Mapping[str, float]:
        """Microseconds per predicted row, by what predicts."""
        found: Mapping[str, float] = self.summary.get("row_microseconds") or {}
        return found

    @property
    def is_checked(self) -> bool:
        """Whether the data checks ran."""
        return bool((self.config.get("checks") or {}).get("enabled"))


def meanings(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Explain the main metric, and compare accuracy with always predicting one label."""
    evidence, (name, estimate) = facts.evidence, facts.main
    labels = [fmt.in_a_sentence(label) for label in evidence.labels]
    if estimate.value is None:
        yield t("headline.undefined", metric=t.metric(name))
    elif name == "roc_auc":
        of, numbers = fmt.cases(estimate)
        key = "pairs" if facts.evidence.is_binary else "pairs_of_each"
        suffix = "_without_interval" if estimate.interval is None else ""
        numbers |= {"negative": labels[0], "positive": labels[-1]}
        yield t(f"headline.{key}{suffix}", of=of, **numbers)
    elif name != "accuracy" and f"explained.{name}" in t:
        yield t(f"explained.{name}")
    accuracy = evidence.metrics.get("accuracy", NOTHING)
    if accuracy.value is None or not any(evidence.n_by_label):
        return
    of, numbers = fmt.cases(accuracy)
    most = max(evidence.n_by_label)
    share = most / sum(evidence.n_by_label)
    suffix, key = "_without_interval", "base"
    if accuracy.interval is not None:
        low, high = accuracy.interval
        suffix = ""
        key = "base_below" if low > share else "base_above" if high < share else "base_within"
    yield t(f"headline.accuracy{suffix}", of=of, **numbers)
    label = labels[list(evidence.n_by_label).index(most)]
    yield t(f"headline.{key}", of=of, label=label, base=round(share * of))
    objective = f"decision.objective_{evidence.decision.objective}"
    if evidence.decision.objective != "default" and objective in t:
        yield t("headline.objective", objective=t(objective))


def cautions(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Return the reasons why the numbers may mean less than they seem."""
    evidence, interval = facts.evidence, facts.main[1].interval
    n_test = fmt.count(evidence.n_test)
    if interval is not None:
        width = interval[1] - interval[0]
        # A wider interval does not separate most models.
        if width > 0.05:
            yield t("headline.wide", n_test=n_test, width=f"{width:.2f}")
        # Several rows of one subject.
        if (facts.config.get("cv") or {}).get("group_column"):
            yield t("headline.grouped")
    elif facts.main[1].value is not None:
        yield t("headline.no_interval", n_test=n_test)
    # With fewer rows of a label than 30, each row moves its recall by more than 0.03.
    few = [
        f"{t('headline.quoted', text=fmt.in_a_sentence(label))} ({fmt.count(n_rows)})"
        for label, n_rows in zip(evidence.labels, evidence.n_by_label, strict=True)
        if n_rows < 30
    ]
    if few:
        yield t("headline.few", labels=fmt.listed(few, 5, ", "))
    if facts.summary.get("stopped"):
        n_not_tried = facts.summary.get("n_not_tried") or 0
        key = "stopped" if n_not_tried else "stopped_later"
        yield t(f"headline.{key}", n_not_tried=fmt.count(n_not_tried))
    yield from treatments(facts.schema, t, losses=True)
    if left_out := facts.summary.get("left_out"):
        yield t("headline.left_out", names=", ".join(map(fmt.in_a_sentence, left_out)))


def alarms(facts: ReportFacts, language: str) -> list[Row]:
    """Return the findings to know before any number is read, each with its title."""
    found = (finding_text(facts.finding_of(check), language) for check in OF_THE_RESULT)
    return [each for each in found if each is not None]


def finding_text(finding: Finding | None, language: str) -> Row | None:
    """Return a finding in the language of the page, or in English as it was logged."""
    if finding is None:
        return None
    texts = Texts("findings", language)
    values: Row = {}
    for key, value in finding.facts.items():
        if isinstance(value, str):
            value = fmt.shown(value, 400)
        elif isinstance(value, list | tuple):
            value = ", ".join(map(fmt.in_a_sentence, value))
        elif isinstance(value, Mapping):
            value = ", ".join(f"{fmt.in_a_sentence(str(name))} ({n})" for name, n in value.items())
        values[key] = value
    try:
        title, text = (texts(f"{finding.check}.{key}", **values) for key in ("title", "text"))
        is_english = False
    except (KeyError, IndexError, ValueError):
        # A finding of another version: the logged message is still right.
        title = fmt.shown(finding.check.replace("_", " ").capitalize())
        text, is_english = fmt.shown(finding.message), True
    # Most texts name the columns, some only the first few.
    columns = [column for column in finding.columns if fmt.shown(column) not in text]
    return {"title": title, "text": text, "columns": columns, "is_english": is_english}


def metric_rows(
    metrics: Mapping[str, Estimate], t: Texts, errors: Mapping[str, float] | None = None
) -> list[Row]:
    """Return a row per metric, with its meaning; errors: standard errors by metric."""
    return [
        {
            "name": t.metric(name),
            "estimate": estimate,
            "bar": fmt.bar(estimate, fmt.SPANS.get(name, fmt.SHARES)),
            # One digit more than the mean has: it is much smaller than the interval.
            "error": fmt.decimal((errors or {}).get(name), fmt.n_decimals(estimate) + 1),
            "meaning": t.get(f"explained.{name}", ""),
            "is_lower_better": name in LOWER_IS_BETTER,
        }
        for name, estimate in metrics.items()
    ]


def slice_table(part: Slice, facts: ReportFacts, t: Texts) -> Row:
    """Return the groups of a column, each with the first metrics and the shares of labels."""
    labels = facts.evidence.labels
    # Of two labels the positive one is enough.
    codes = [1] if facts.evidence.is_binary else list(range(min(len(labels), MAX_SHARES)))
    measured = dict.fromkeys(name for group in part.groups for name in group.metrics)
    preferred = dict.fromkeys([facts.main[0], "accuracy", "f1", *measured])
    names = [name for name in preferred if name in measured][:MAX_METRICS]
    table = [[group.metrics.get(name, NOTHING) for name in names] for group in part.groups]
    span = fmt.common_span(estimates[0] for estimates in table if estimates)
    groups = [
        {
            **vars(group),
            "n_by_label": [group.n_by_label[code] for code in codes],
            "estimates": estimates,
            "bar": fmt.bar(estimates[0], span) if estimates else None,
            "shares": [group.shares[code] for code in codes],
        }
        for group, estimates in zip(part.groups, table, strict=True)
    ]
    ratios = []
    for code in codes:
        label, ratio = fmt.in_a_sentence(labels[code]), part.ratios[code]
        key = "slices.no_ratio" if ratio is None else "slices.ratio"
        ratios.append(t(key, label=label, ratio=fmt.decimal(ratio, 2)))
    return {
        "column": part.column,
        "labels": [labels[code] for code in codes],
        "metrics": [t.metric(name) for name in names],
        "groups": groups,
        "ratios": ratios,
    }


def decision(facts: ReportFacts, t: Texts) -> dict[str, str]:
    """Return how a probability becomes a label, by key of the texts."""
    evidence, made = facts.evidence, facts.evidence.decision
    label = fmt.in_a_sentence(evidence.labels[-1])
    if not facts.evidence.is_binary:
        rule = t("decision.most_probable")
    elif made.threshold is None or made.objective == "default":
        rule = t("decision.above_half", label=label)
    else:
        rule = t("decision.from_threshold", label=label, threshold=f"{made.threshold:.4g}")
    calibration, objective = fmt.shown(evidence.calibration), fmt.shown(made.objective)
    lines = {
        "calibration": t.get(f"decision.calibration_{evidence.calibration}", calibration),
        "rule": rule,
        "chosen_for": t.get(f"decision.objective_{made.objective}", objective),
    }
    required = {"min_recall": made.min_recall, "min_precision": made.min_precision}
    lines |= {name: fmt.plain(value) for name, value in required.items() if value is not None}
    if made.score is not None:
        score = f"score_{made.objective}"
        lines[score if f"decision.{score}" in t else "score"] = fmt.decimal(made.score)
    return lines


def learning(facts: ReportFacts, t: Texts) -> str | None:
    """Return whether the learning curve still rises at its end, as the run found."""
    finding, texts = facts.finding_of("learning_curve"), Texts("findings", t.language)
    found: Mapping[str, Any] = {} if finding is None else finding.facts
    if (end := f"learning_curve.{found.get('end')}") not in texts:
        return None
    sentences = [texts(end)]
    values = {name: fmt.count(found[name]) for name in ("n_before", "n_rows") if name in found}
    values |= {name: fmt.decimal(found[name]) for name in ("gain", "low", "high") if name in found}
    if found.get("low") is not None:
        sentences.append(texts("learning_curve.change", **values))
    elif found.get("gain") is not None:
        sentences.append(texts("learning_curve.change_alone", **values))
    if found.get("left_out"):
        sentences.append(texts("learning_curve.left_out", sizes=", ".join(found["left_out"])))
    return " ".join(sentences)


def row_time(facts: ReportFacts, t: Texts) -> str | None:
    """Return how long the model takes for a row; None where it was not measured."""
    if (found := facts.row_times.get("model")) is None:
        return None
    key = "model.row_time_exported" if facts.summary.get("parity") else "model.row_time"
    return t(key, time=micro(found), n_test=fmt.count(facts.evidence.n_test))


def limits(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Return what the numbers do not show."""
    evidence = facts.evidence
    yield from cautions(facts, t)
    yield t("limits.same_source", n_test=fmt.count(evidence.n_test))
    yield t("limits.extrapolation")
    yield t("limits.selection")
    if not evidence.slices:
        yield t("limits.no_slices")
    small = [
        f"{fmt.in_a_sentence(part.column)} = {fmt.in_a_sentence(group.name)}"
        for part in evidence.slices
        for group in part.groups
        if group.is_small
    ]
    if small:
        names = fmt.listed(small, 8, "; ")
        yield t("limits.small_groups", n_groups=fmt.count(len(small)), names=names)
    if evidence.calibration == "none":
        yield t("limits.not_calibrated")
    if evidence.importances or evidence.dependences:
        yield t("limits.not_causes")
    if facts.findings:
        yield t("limits.findings", n_findings=fmt.count(len(facts.findings)))
    elif not facts.is_checked:
        yield t("limits.not_checked")


def origin(facts: ReportFacts, t: Texts) -> dict[str, str]:
    """Return data, code and versions of the run, by key of the texts."""
    summary = facts.summary
    lines = {"run_id": summary["run_id"], "fingerprint": summary["data"]["sha256"]}
    if summary.get("n_rows_without_target"):
        lines["without_target"] = fmt.count(summary["n_rows_without_target"])
    commit = summary["git"].get("commit") or "–"
    is_changed = summary["git"].get("commit") and not summary["git"].get("clean")
    lines["commit"] = f"{commit} ({t('origin.not_clean')})" if is_changed else commit
    lines["code"] = summary["code"]
    lines["versions"] = ", ".join(f"{name} {text}" for name, text in summary["versions"].items())
    parts = (summary["platform"].get(name) for name in ("system", "machine", "level"))
    lines["platform"] = ", ".join(str(part) for part in parts if part)
    if parity := summary.get("parity"):
        largest = parity["max_difference"]
        difference, n_rows = f"{largest:.0e}" if largest else "0", fmt.count(parity["n_rows"])
        lines["parity"] = t("origin.parity_text", difference=difference, n_rows=n_rows)
    return lines


def commands(facts: ReportFacts) -> dict[str, str]:
    """Return the command lines of the run to copy, by what they do."""
    run, python = facts.run_path, ["python", "-m"]
    score = [*python, "src.score", f"run={run}", "input=new.csv", "output=scored.csv"]
    promote = command_line([*python, "src.runs", "promote", run, "--name", "NAME"])
    return {
        "train": command_line(facts.command),
        "replay": command_line([*python, "src.replay", run]),
        "score": command_line(score),
        "service": f"{promote}\nmake api",
    }


def command_line(words: Sequence[str]) -> str:
    """Return words as they are typed in a shell."""
    return " ".join(map(shell_word, words))
