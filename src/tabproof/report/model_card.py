"""The model card of a run: Markdown with the metadata of the Hugging Face hub."""

from typing import Any

import yaml
from markupsafe import Markup

from tabproof.report import format as fmt
from tabproof.report.columns import kinds_in_words
from tabproof.report.facts import ReportFacts
from tabproof.report.format import Texts
from tabproof.report.page import make_environment, shared_content
from tabproof.text import format_params

TASK = "tabular-classification"
# Names of metrics on the Hugging Face hub, where it has one.
HUB_NAMES = {"mcc": "matthews_correlation", "brier": "brier_score"}
# Of a metric in the metadata.
DECIMALS = 6


def render_card(facts: ReportFacts, language: str) -> str:
    """Write the card; raises InvalidValueError."""
    t, evidence, summary = Texts("report", language), facts.evidence, facts.summary
    shared = shared_content(facts, t)
    procedure = t("candidates.none")
    if shared["candidates"] is not None:
        of_search = {name: summary[name] for name in ("mode", "n_candidates", "scoring")}
        is_joined = facts.estimator.is_joined
        procedure = t("card.procedure_joined" if is_joined else "card.procedure_text", **of_search)
    python = [
        "import joblib",
        "",
        'pipeline = joblib.load("estimator.joblib")',
        "# rows: a pandas DataFrame with the columns of schema.json",
        "proba = pipeline.predict_proba(rows)",
        f"# its columns: {[fmt.in_a_sentence(label) for label in evidence.labels]!r}",
        "labels = pipeline.predict(rows)",
    ]
    made = evidence.decision
    if evidence.is_binary and made.threshold is not None and made.objective != "default":
        python.append(f"# the second label above {made.threshold!r}")
    # Of an ensemble that the search has made, the members have them.
    best = {} if facts.estimator.is_joined else summary["best_params"]
    content = {
        **shared,
        "metadata": Markup(_metadata(facts, t)),  # noqa: S704
        "searched": fmt.shown(format_params(best)) if best else None,
        "procedure": procedure,
        "kinds": kinds_in_words(facts.schema, t),
        "python": "\n".join(python),
    }
    card = make_environment(language, markdown=True).get_template("model_card.md").render(content)
    return card.rstrip() + "\n"


def _metadata(facts: ReportFacts, t: Texts) -> str:
    """Write the YAML on top of the card as the hub specifies it; no licence: a run has none."""
    metrics: list[dict[str, Any]] = []
    for name, estimate in facts.evidence.metrics.items():
        if estimate.value is None:
            continue
        value, *ends = (round(float(end), DECIMALS) for end in fmt.ends([estimate]))
        metric = {"type": HUB_NAMES.get(name, name), "name": t.metric(name), "value": value}
        metrics.append(metric | ({"args": {"interval_95": ends}} if ends else {}))
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
