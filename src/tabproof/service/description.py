"""What is served, why, and how good it is: facts, lines of the log, and Markdown for `/docs`.

Names and labels come from strangers' runs. In the log they are printable and short. In Markdown
they are code, in which a renderer finds no HTML, no link and no emphasis.
"""

import logging
import re
from collections.abc import Sequence
from math import isfinite
from urllib.parse import quote

from tabproof.errors import printable
from tabproof.service.answers import Index, Measured, ModelFacts
from tabproof.service.model_store import Served
from tabproof.service.recording import MONITOR_PAGE, log_directory
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

# Labels and categories that are named of a column.
MAX_NAMED = 20
MAX_NAME, MAX_PATH = 100, 300
# The metrics that are shown, as far as a run has them.
METRICS = {
    "roc_auc": "AUC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
}

log = logging.getLogger("uvicorn.error")


def log_served(served: Served) -> None:
    """Log each served model in one line: its run, why it is served, and what it predicts."""
    for name, model in served.models.items():
        log.info("%s", _line(model, is_default=name == served.default_name))
    if not served.models:
        log.warning("no model is served yet; GET /health explains what to do")


def _line(model: ServedModel, *, is_default: bool) -> str:
    run = f"run {model.run_id}" if model.promoted else f"run {printable(model.source, MAX_PATH)}"
    target, dataset = (printable(text) for text in (model.schema.target, model.summary.dataset))
    auc = model.summary.metrics.get("roc_auc")
    parts = [
        f"serving '{printable(model.name, MAX_NAME)}'{' (default)' * is_default}:"
        f" {run}, {model.reason.text}",
        f"predicts {target} of {dataset}" + ("" if auc is None else f", AUC {auc:.4g}"),
    ]
    if not model.promoted:
        parts.append("'python -m src.runs promote <run>' chooses a model")
    return "; ".join(parts)


def facts_of(served: Served) -> list[ModelFacts]:
    """Return the facts of each served model, the default one first; without links."""
    names = sorted(served.models, key=lambda name: (name != served.default_name, name))
    found = []
    for name in names:
        model = served.models[name]
        summary, reason = model.summary, model.reason
        metrics = {}
        for key in METRICS:
            value, interval = summary.metrics.get(key), summary.intervals.get(key)
            # JSON has no others.
            if value is not None and isfinite(value):
                is_known = interval is not None and all(map(isfinite, interval))
                metrics[key] = Measured(value, interval if is_known else None)
        facts = ModelFacts(
            name=name,
            default=name == served.default_name,
            title=model.title,
            run_id=model.run_id,
            source=model.source,
            promoted=model.promoted,
            reason=reason.text,
            reason_kind=reason.kind,
            since=None if reason.when is None else reason.when.isoformat(),
            target=model.schema.target,
            labels=list(model.schema.labels),
            threshold=model.scorer.threshold,
            dataset=summary.dataset,
            data_sha256=summary.data.sha256,
            n_train=summary.n_train,
            n_test=summary.n_test,
            metrics=metrics,
            links={},
        )
        found.append(facts)
    return found


def index_of(served: Served, why_not_ready: str, settings: Settings, base: str = "") -> Index:
    """Return the facts of all models and the addresses; base: the beginning of each address."""
    links = {"models": "models", "health": "health", "ready": "ready", "metrics": "metrics"}
    if not served.why_no_default():
        links["schema"] = "schema"
    if settings.docs:
        links |= {"docs": "docs", "openapi": "openapi.json"}
    has_runs = settings.pages == "all"
    if has_runs and (settings.outputs / "index.html").is_file():
        links["runs"] = "runs/"
    logged = log_directory(settings)
    if has_runs and logged is not None and (logged / MONITOR_PAGE).is_file():
        links["monitor"] = "monitor"
    models = facts_of(served)
    for facts in models:
        at = f"models/{quote(facts.name, safe='')}"
        found = {"predict": "predict", "predict_batch": "predict_batch", "schema": "schema"}
        for key, file in (("report", "report.html"), ("model_card", "model_card.md")):
            if has_runs and (served.models[facts.name].path / file).is_file():
                found[key] = f"pages/{file}"
        facts.links = {key: f"{base}{at}/{path}" for key, path in found.items()}
    links = {key: base + path for key, path in links.items()}
    return Index("not ready" if why_not_ready else "ready", why_not_ready, models, links)


def describe(served: Served) -> str:
    """Describe the served models in Markdown: target, data, metrics and run."""
    if not served.models:
        return "No model is served yet; `/health` explains what to do."
    return "\n\n".join(map(_section, facts_of(served)))


def _section(facts: ModelFacts) -> str:
    predicted = f"Predicts {as_code(facts.target)}, one of {in_brief(facts.labels)}"
    if facts.threshold is not None:
        positive = as_code(facts.labels[1])
        predicted += f"; the positive one is {positive}, above a probability of {facts.threshold:g}"
    lines = [
        f"### Model {as_code(facts.name)}{' (the default)' * facts.default}\n",
        f"- {predicted}",
        f"- Data: {as_code(facts.dataset)}, {facts.n_train:,} rows for training and"
        f" {facts.n_test:,} held out; SHA-256 {as_code(facts.data_sha256)}",
    ]
    if facts.metrics:
        lines.append(f"- On the rows held out: {_measured(facts)}")
    run, source = as_code(facts.run_id), as_code(facts.source, MAX_PATH)
    lines.append(f"- Run {run} from {source}, {facts.reason}")
    return "\n".join(lines)


def _measured(facts: ModelFacts) -> str:
    found = []
    for key, metric in facts.metrics.items():
        span = "" if metric.interval is None else " ({:.4g} to {:.4g})".format(*metric.interval)
        found.append(f"{METRICS[key]} {metric.value:.4g}{span}")
    has_intervals = any(metric.interval for metric in facts.metrics.values())
    return ", ".join(found) + "; in brackets 95 % intervals" * has_intervals


def in_brief(names: Sequence[str]) -> str:
    """Return the first names as code, with commas between them."""
    return ", ".join(map(as_code, names[:MAX_NAMED])) + " …" * (len(names) > MAX_NAMED)


def as_code(text: str, limit: int = MAX_NAME) -> str:
    """Return a text as code of Markdown, for use behind other words: marks may begin a block."""
    shown = printable(text, limit)
    # A run of backticks that is not in the text; spaces around it keep those of the text apart.
    longest = max(map(len, re.findall("`+", shown)), default=0)
    marks = "`" * (longest + 1)
    space = " " if longest or not shown.strip() else ""
    return f"{marks}{space}{shown}{space}{marks}"
