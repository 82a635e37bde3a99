"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import yaml

from tabproof.artifacts import model_name_of
from tabproof.evaluation_result import Estimate, Evidence, Finding

# Findings of the evaluation, which have a section of their own.
OF_THE_MODEL = ("learning_curve", "undefined_folds")


@dataclass(frozen=True)
class ReportFacts:
    """Everything that report.html and model_card.md show of a run.

    summary: the content of summary.json. candidates: cv_results of the search. pictures: SVG by
    name, trusted as they are. target: the predicted column. files: in the run directory.
    """

    evidence: Evidence
    summary: Mapping[str, Any]
    candidates: pd.DataFrame | None
    config_yaml: str
    pictures: Mapping[str, str]
    command: Sequence[str]
    run_path: str
    target: str | None = None
    files: Sequence[str] = ()

    @property
    def main(self) -> tuple[str, Estimate]:
        """The name and the estimate of the main metric."""
        metrics = self.evidence.metrics
        name = self.evidence.metric
        if name not in metrics:
            name = next(iter(metrics), name)
        return name, metrics.get(name, Estimate(None))

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

    @property
    def is_binary(self) -> bool:
        """Whether one label is positive."""
        return len(self.evidence.labels) == 2

    @property
    def n_columns(self) -> int:
        """Number of feature columns."""
        return len(self.summary["data"]["columns"]) - 1

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        # CSafeLoader is safe too.
        content = yaml.load(self.config_yaml, loader)  # noqa: S506
        return content if isinstance(content, dict) else {}

    @property
    def is_grouped(self) -> bool:
        """Whether several rows belong to one subject."""
        return bool((self.config.get("cv") or {}).get("group_column"))

    @property
    def is_checked(self) -> bool:
        """Whether the data checks ran."""
        return bool((self.config.get("checks") or {}).get("enabled"))
