"""What is served and why, for people: lines of the log, and Markdown for the page of the API.

Names and labels come from strangers' runs. In the log they are printable and short. In Markdown
they are code, in which a renderer finds no HTML, no link and no emphasis.
"""

import logging
import re
from collections.abc import Sequence

from tabproof.errors import printable
from tabproof.service.model_store import Served
from tabproof.service.served_model import ServedModel

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
        f" {run}, {model.reason}",
        f"predicts {target} of {dataset}" + ("" if auc is None else f", AUC {auc:.4g}"),
    ]
    if not model.promoted:
        parts.append("'python -m src.runs promote <run>' chooses a model")
    return "; ".join(parts)


def describe(served: Served) -> str:
    """Describe the served models in Markdown: target, data, metrics and run."""
    if not served.models:
        return "No model is served yet; `/health` explains what to do."
    # The default model first.
    names = sorted(served.models, key=lambda name: (name != served.default_name, name))
    return "\n\n".join(
        _section(served.models[name], is_default=name == served.default_name) for name in names
    )


def _section(model: ServedModel, *, is_default: bool) -> str:
    summary, schema, threshold = model.summary, model.schema, model.scorer.threshold
    predicted = f"Predicts {as_code(schema.target)}, one of {in_brief(schema.labels)}"
    if threshold is not None:
        positive = as_code(schema.labels[1])
        predicted += f"; the positive one is {positive}, above a probability of {threshold:g}"
    lines = [
        f"### Model {as_code(model.name)}{' (the default)' * is_default}\n",
        f"- {predicted}",
        f"- Data: {as_code(summary.dataset)}, {summary.n_train:,} rows for training and"
        f" {summary.n_test:,} held out; SHA-256 {as_code(summary.data.sha256)}",
    ]
    if measured := _measured(model):
        lines.append(f"- On the rows held out: {measured}")
    lines.append(f"- Run {as_code(model.run_id)} from {as_code(model.source, MAX_PATH)}")
    if model.reason:
        lines[-1] += f", {model.reason}"
    return "\n".join(lines)


def _measured(model: ServedModel) -> str:
    found: list[str] = []
    has_intervals = False
    for key, name in METRICS.items():
        if (value := model.summary.metrics.get(key)) is not None:
            interval = model.summary.intervals.get(key)
            span = "" if interval is None else " ({:.4g} to {:.4g})".format(*interval)
            has_intervals |= interval is not None
            found.append(f"{name} {value:.4g}{span}")
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
