"""model_card.md: a model card in Markdown, with the metadata of the Hugging Face hub."""

from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tabproof.report import sections
from tabproof.report.facts import ReportFacts
from tabproof.report.format import count, escaped, fenced, shown
from tabproof.report.language import Texts
from tabproof.report.page import HERE, interval_text, value_text
from tabproof.report.sections import metric_name
from tabproof.text import format_params

TASK = "tabular-classification"
# Names of metrics on the Hugging Face hub, where it has one.
HUB_NAMES = {"mcc": "matthews_correlation", "brier": "brier_score"}
DECIMALS = 6


def metadata_block(facts: ReportFacts, t: Texts) -> str:
    """Write the YAML on top of the card as the hub specifies it; no licence: no run knows one."""
    metrics: list[dict[str, Any]] = []
    for name, estimate in facts.evidence.metrics.items():
        if estimate.value is None:
            continue
        value = round(float(estimate.value), DECIMALS)
        metric = {"type": HUB_NAMES.get(name, name), "name": metric_name(name, t), "value": value}
        if estimate.interval is not None:
            ends = [round(float(end), DECIMALS) for end in estimate.interval]
            metric["args"] = {"interval_95": ends}
        metrics.append(metric)
    dataset = shown(facts.dataset)
    content: dict[str, Any] = {
        "language": t.language,
        "library_name": "sklearn",
        "pipeline_tag": TASK,
        "tags": ["sklearn", TASK],
        "metrics": [metric["type"] for metric in metrics],
    }
    if metrics:
        table = {"type": dataset, "name": dataset, "split": "test"}
        table["revision"] = facts.summary["data"]["sha256"]
        result = {"task": {"type": TASK}, "dataset": table, "metrics": metrics}
        name = f"{dataset}-{facts.summary['run_id']}"
        content["model-index"] = [{"name": name, "results": [result]}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def render_card(facts: ReportFacts, language: str) -> str:
    """Write the card; raises LanguageNotOfferedError."""
    t = Texts("report", language)
    text = _environment().get_template("model_card.md").render(t=t, **_content(facts, t))
    return text.rstrip() + "\n"


@cache
def _environment() -> Environment:
    # Values are escaped for Markdown, which covers HTML.
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=False,  # noqa: S701
        finalize=lambda value: value if isinstance(value, Markup) else escaped(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _content(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    evidence, summary = facts.evidence, facts.summary
    name, main = facts.main
    commands = sections.commands(facts)
    return {
        "metadata": Markup(metadata_block(facts, t)),  # noqa: S704
        "dataset": shown(facts.dataset),
        "summary": summary,
        "evidence": evidence,
        "main": {
            "metric": metric_name(name, t),
            "value": value_text(main),
            "interval": interval_text(t, main, "headline.interval") or "–",
        },
        "meanings": list(sections.meanings(facts, t)),
        "predicts": sections.predicts(facts, t),
        "labels": sections.labels_in_words(evidence.labels, t),
        "kind": shown(kind_of(facts)),
        "parameters": _parameters(facts, t),
        "decision": sections.decision(facts, t),
        "metrics": [
            (row["name"], value_text(each), interval_text(t, each), row["meaning"])
            for row in sections.metric_rows(evidence.metrics, t)
            for each in [row["estimate"]]
        ],
        "slices": [_slice_rows(part, t) for part in sections.slice_tables(facts, t)],
        "limits": list(sections.limits(facts, t)),
        "procedure": _procedure(facts, t),
        "versions": sections.versions_in_words(summary),
        "n_train": count(evidence.n_train),
        "n_test": count(evidence.n_test),
        "n_columns": count(facts.n_columns),
        "python": _code(_python_lines(facts), "python"),
        "batch": _code(commands["score"], "sh"),
        "service": _code(commands["service"], "sh"),
        "train": _code(commands["train"], "sh"),
        "replay": _code(f"{commands['replay']}\n{commands['replay']} --environment", "sh"),
    }


def kind_of(facts: ReportFacts) -> str:
    """Return the classes of the configured estimators."""
    model = facts.config.get("model") or {}
    parts = [model.get("estimator"), *(model.get("members") or {}).values()]
    targets = [str(part.get("_target_", "")) for part in parts if isinstance(part, dict)]
    return ", ".join(target for target in targets if target) or "–"


def _procedure(facts: ReportFacts, t: Texts) -> str:
    if sections.best_candidates(facts.candidates) is None:
        return t("candidates.none")
    names = ("mode", "n_candidates", "scoring")
    return t("card.procedure_text", **{name: facts.summary[name] for name in names})


def _parameters(facts: ReportFacts, t: Texts) -> str:
    best = facts.summary.get("best_params")
    return shown(format_params(best)) if best else t("card.as_configured")


def _code(code: str, language: str) -> Markup:
    return Markup(fenced(code, language))  # noqa: S704


def _python_lines(facts: ReportFacts) -> str:
    labels = [shown(label, 60) for label in facts.evidence.labels]
    lines = [
        "import joblib",
        "",
        'pipeline = joblib.load("estimator.joblib")',
        "# rows: a pandas DataFrame with the columns of schema.json",
        "proba = pipeline.predict_proba(rows)",
        f"# its columns: {labels!r}",
    ]
    made = facts.evidence.decision
    if facts.is_binary and made.threshold is not None and made.objective != "default":
        lines.append(f"is_positive = proba[:, 1] > {made.threshold!r}")
    return "\n".join(lines)


def _slice_rows(part: dict[str, Any], t: Texts) -> dict[str, Any]:
    rows = []
    for group in part["groups"]:
        small = f" ({t('slices.small')})" if group["is_small"] else ""
        estimates = [*group["estimates"], *group["shares"]]
        cells = [f"{value_text(each)} ({interval_text(t, each) or '–'})" for each in estimates]
        rows.append([shown(group["name"], 80) + small, count(group["n_rows"]), *cells])
    shares_of = [t("slices.share", label=shown(label, 60)) for label in part["labels"]]
    return {
        "caption": t("slices.caption", column=shown(part["column"], 60)),
        "head": [t("slices.group"), t("slices.n_rows"), *part["metrics"], *shares_of],
        "rows": rows,
        "ratios": part["ratios"],
    }
