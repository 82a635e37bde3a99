"""report.html, one file that needs no network and runs no script, and model_card.md.

The model card is Markdown with the metadata of the Hugging Face hub.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tabproof.evaluation_result import Estimate
from tabproof.report import format as fmt
from tabproof.report import sections
from tabproof.report.format import Texts
from tabproof.report.sections import ReportFacts
from tabproof.text import format_params

HERE = Path(__file__).parent
SECTIONS = (
    "headline", "findings", "metrics", "decision", "pictures", "slices", "importance", "learning",
    "repeated", "candidates", "limits", "configuration", "origin", "repeat", "files",
)  # fmt: skip
# Plots by the section they belong to; the others are in "pictures".
PLACED = {
    "slices": ("slices",),
    "importance": ("importance", "dependence"),
    "learning": ("learning_curve",),
    "candidates": ("search",),
}
MAX_COLUMNS, MAX_LABELS = 15, 6
TASK = "tabular-classification"
# Names of metrics on the Hugging Face hub, where it has one.
HUB_NAMES = {"mcc": "matthews_correlation", "brier": "brier_score"}
DECIMALS = 6


@cache
def make_environment(language: str, *, markdown: bool = False) -> Environment:
    """Make the environment of templates: of HTML, or of Markdown, which escape all values."""
    t = Texts("report", language)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        # Escaping for Markdown covers HTML.
        autoescape=not markdown,  # noqa: S701
        finalize=fmt.escaped if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=markdown,
    )
    environment.globals["t"] = t
    environment.globals["style"] = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    filters = ("bar", "count", "decimal", "plain", "shown", "fenced")
    environment.filters |= {name: getattr(fmt, name) for name in filters} | {
        "value": lambda estimate: fmt.decimal(estimate.value, fmt.n_decimals(estimate)),
        "interval": partial(interval_text, t),
        "sentence": fmt.in_a_sentence,
    }
    return environment


def interval_text(t: Texts, estimate: Estimate, key: str = "headline.interval_of") -> str:
    """Write the interval of an estimate; nothing where there is none."""
    if estimate.interval is None:
        return ""
    low, high = (fmt.decimal(end, fmt.n_decimals(estimate)) for end in estimate.interval)
    return t(key, low=low, high=high)


def _shared(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    """Return what both pages show."""
    evidence, (name, estimate) = facts.evidence, facts.main
    quoted = [t("headline.quoted", text=fmt.in_a_sentence(each)) for each in evidence.labels]
    labels = t("headline.or").join(quoted)
    if len(quoted) > MAX_LABELS:
        more = t("headline.more_labels", n_labels=len(quoted))
        labels = ", ".join(quoted[:MAX_LABELS]) + more
    predicts = t("headline.predicts_one_of", labels=labels)
    if facts.target is not None:
        target = fmt.in_a_sentence(facts.target)
        predicts = t("headline.predicts", target=target, labels=labels)
    return {
        "summary": facts.summary,
        "evidence": evidence,
        "labels": labels,
        "predicts": predicts,
        "n_columns": len(facts.summary["data"]["columns"]) - 1,
        "main": {"name": t.metric(name), "estimate": estimate},
        "meanings": list(sections.meanings(facts, t)),
        "metrics": sections.metric_rows(evidence.metrics, t),
        "decision": sections.decision(facts, t),
        "slices": [sections.slice_table(part, facts, t) for part in evidence.slices],
        "candidates": sections.best_candidates(facts.candidates),
        "limits": list(sections.limits(facts, t)),
        "origin": sections.origin(facts, t),
        "commands": sections.commands(facts),
    }


def render_report(facts: ReportFacts, language: str) -> str:
    """Write the page; raises InvalidValueError."""
    t, evidence = Texts("report", language), facts.evidence
    name, estimate = facts.main
    span = fmt.SPANS.get(name, fmt.SHARES)
    ends = [fmt.plain(end) for end in span or ()]
    if span is not None and name in fmt.CHANCE:
        span = (fmt.CHANCE[name], span[1])
        words = (t("headline.chance"), t("headline.perfect"))
        ends = [f"{end:g} {word}" for end, word in zip(span, words, strict=True)]
    shared = _shared(facts, t)
    sizes = {
        "rows_learned": evidence.n_train,
        "rows_held_out": evidence.n_test,
        "columns": shared["n_columns"],
        "candidates": facts.summary["n_candidates"],
    }
    if facts.is_checked or facts.findings:
        sizes["findings"] = len(facts.findings)
    placed = {name for names in PLACED.values() for name in names}
    important = sorted(evidence.importances, key=lambda each: -(each.drop.value or 0.0))
    important = important[:MAX_COLUMNS]
    # The axis of their bars.
    drops = fmt.common_span([Estimate(0.0), *(each.drop for each in important)])
    keys = {name: f"files.{name.rstrip('/').replace('.', '_')}" for name in facts.files}
    files = [
        {"name": name, "link": f"./{quote(name)}", "meaning": t.get(key, "")}
        for name, key in keys.items()
    ]
    repeated = evidence.repeated
    content = {
        **shared,
        "dataset": facts.dataset,
        "positive": fmt.in_a_sentence(evidence.labels[1]) if evidence.is_binary else None,
        "bar": fmt.bar(estimate, span),
        "ends": ends,
        "cautions": list(sections.cautions(facts, t)),
        "tiles": {name: fmt.count(number) for name, number in sizes.items()},
        "findings": [sections.finding_text(each, language) for each in facts.findings],
        "is_checked": facts.is_checked,
        "pictures": _pictures(facts, [name for name in facts.pictures if name not in placed], t),
        "placed": {key: _pictures(facts, names, t) for key, names in PLACED.items()},
        "metric": t.metric(evidence.metric),
        "importances": important,
        "drops": drops,
        "n_unimportant": len(evidence.importances) - len(important),
        "has_learning": bool(evidence.learning_curve),
        "learning": sections.learning(facts, t),
        "undefined_folds": sections.finding_text(facts.finding_of("undefined_folds"), language),
        "repeated": repeated
        and sections.metric_rows(repeated.metrics, t, repeated.standard_errors),
        "config_yaml": "\n".join(map(fmt.marked, facts.config_yaml.split("\n"))),
        "files": files,
    }
    optional = ("pictures", "slices", "importances", "has_learning", "repeated", "files")
    empty = {name.removeprefix("has_") for name in optional if not content[name]}
    names = [name for name in SECTIONS if name not in empty and f"{name}s" not in empty]
    return make_environment(language).get_template("report.html").render(sections=names, **content)


def _pictures(facts: ReportFacts, names: Sequence[str], t: Texts) -> list[dict[str, str]]:
    """Return those plots that were drawn, with their captions."""
    drawn = {name: facts.pictures[name] for name in names if name in facts.pictures}
    return [
        {"svg": Markup(svg), "caption": t.get(f"pictures.{name}", fmt.shown(name))}  # noqa: S704
        for name, svg in drawn.items()
    ]


# --- The model card.


def render_card(facts: ReportFacts, language: str) -> str:
    """Write the card; raises InvalidValueError."""
    t, evidence, summary = Texts("report", language), facts.evidence, facts.summary
    shared = _shared(facts, t)
    model = facts.config.get("model") or {}
    parts = [model.get("estimator"), *(model.get("members") or {}).values()]
    classes = [part["_target_"] for part in parts if isinstance(part, dict) and "_target_" in part]
    procedure = t("candidates.none")
    if shared["candidates"] is not None:
        of_search = {name: summary[name] for name in ("mode", "n_candidates", "scoring")}
        procedure = t("card.procedure_text", **of_search)
    python = [
        "import joblib",
        "",
        'pipeline = joblib.load("estimator.joblib")',
        "# rows: a pandas DataFrame with the columns of schema.json",
        "proba = pipeline.predict_proba(rows)",
        f"# its columns: {[fmt.in_a_sentence(label) for label in evidence.labels]!r}",
    ]
    made = evidence.decision
    if evidence.is_binary and made.threshold is not None and made.objective != "default":
        python.append(f"is_positive = proba[:, 1] > {made.threshold!r}")
    best = summary.get("best_params")
    content = {
        **shared,
        "metadata": Markup(_metadata(facts, t)),  # noqa: S704
        "dataset": fmt.shown(facts.dataset),
        "kind": fmt.shown(", ".join(map(str, classes)) or "–"),
        "parameters": fmt.shown(format_params(best)) if best else t("card.as_configured"),
        "procedure": procedure,
        "python": "\n".join(python),
    }
    card = make_environment(language, markdown=True).get_template("model_card.md").render(content)
    return card.rstrip() + "\n"


def _metadata(facts: ReportFacts, t: Texts) -> str:
    """Write the YAML on top of the card as the hub specifies it; no licence: no run knows one."""
    metrics: list[dict[str, Any]] = []
    for name, estimate in facts.evidence.metrics.items():
        if estimate.value is None:
            continue
        metric = {"type": HUB_NAMES.get(name, name), "name": t.metric(name)}
        metrics.append({**metric, "value": round(float(estimate.value), DECIMALS)})
        if estimate.interval is not None:
            ends = [round(float(end), DECIMALS) for end in estimate.interval]
            metrics[-1]["args"] = {"interval_95": ends}
    content: dict[str, Any] = {
        "language": t.language,
        "library_name": "sklearn",
        "pipeline_tag": TASK,
        "tags": ["sklearn", TASK],
        "metrics": [metric["type"] for metric in metrics],
    }
    if metrics:
        name, sha256 = fmt.shown(facts.dataset), facts.summary["data"]["sha256"]
        table = {"type": name, "name": name, "split": "test", "revision": sha256}
        result = {"task": {"type": TASK}, "dataset": table, "metrics": metrics}
        model = {"name": f"{name}-{facts.summary['run_id']}", "results": [result]}
        content["model-index"] = [model]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"
