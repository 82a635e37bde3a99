"""The block of YAML on top of a model card, as the Hugging Face hub specifies it.

https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from typing import Any

import yaml

from src.evaluation.language import Texts
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.headline import metric_name
from src.evaluation.report.untrusted import shown

TASK = "tabular-classification"
# What the hub calls metrics where it has a name for them.
HUB_NAMES = {"mcc": "matthews_correlation", "brier": "brier_score"}
DECIMALS = 6


def metadata_block(facts: ReportFacts, t: Texts) -> str:
    """Write the block with its lines of dashes; no licence, since no run knows one."""
    metrics = [_metric(facts, name, t) for name in facts.evidence.metrics]
    defined = [metric for metric in metrics if metric is not None]
    content = {
        "language": t.language,
        "library_name": "sklearn",
        "pipeline_tag": TASK,
        "tags": ["sklearn", TASK],
        "metrics": [metric["type"] for metric in defined],
    }
    if defined:
        content["model-index"] = [{"name": _name(facts), "results": [_result(facts, defined)]}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def _name(facts: ReportFacts) -> str:
    return f"{shown(facts.summary['dataset'])}-{facts.summary['run_id']}"


def _result(facts: ReportFacts, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    summary = facts.summary
    dataset = shown(summary["dataset"])
    return {
        "task": {"type": TASK},
        "dataset": {
            "type": dataset,
            "name": dataset,
            "split": "test",
            "revision": summary["data"]["sha256"],
        },
        "metrics": metrics,
    }


def _metric(facts: ReportFacts, name: str, t: Texts) -> dict[str, Any] | None:
    estimate = facts.evidence.metrics[name]
    if estimate.value is None:
        return None
    told: dict[str, Any] = {
        "type": HUB_NAMES.get(name, name),
        "name": metric_name(name, t),
        "value": round(float(estimate.value), DECIMALS),
    }
    if estimate.interval is not None:
        ends = [round(float(end), DECIMALS) for end in estimate.interval]
        told["args"] = {"interval_95": ends}
    return told
