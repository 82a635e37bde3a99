"""What pages are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import yaml

from tabproof.artifacts import model_name_of
from tabproof.evaluation_result import Estimate, Evidence, Finding

# What was learned of the model by fitting it anew, which its own sections tell.
OF_THE_MODEL = ("learning_curve", "undefined_folds")


@dataclass(frozen=True)
class ReportFacts:
    """Everything that report.html and model_card.md tell of a run.

    summary is the content of summary.json; candidates are a search's cv_results; pictures are
    SVG by name, trusted as they are; target is the column that is predicted; files lie beside
    the page.
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
        """The metric to be judged by, and what it is."""
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
        """What was found in the data."""
        return [one for one in self.evidence.findings if one.check not in OF_THE_MODEL]

    def finding_of(self, check: str) -> Finding | None:
        """Give what a check found; None where it found nothing."""
        return next((one for one in self.evidence.findings if one.check == check), None)

    @property
    def is_binary(self) -> bool:
        """Whether one label is positive."""
        return len(self.evidence.labels) == 2

    @property
    def n_columns(self) -> int:
        """Columns that the model may learn from."""
        return len(self.summary["data"]["columns"]) - 1

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration, read; only what is told of it in words is looked up here."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        # The C loader is a safe one too.
        content = yaml.load(self.config_yaml, loader)  # noqa: S506
        return content if isinstance(content, dict) else {}

    @property
    def is_grouped(self) -> bool:
        """Whether several rows are of one subject."""
        return bool((self.config.get("cv") or {}).get("group_column"))

    @property
    def is_checked(self) -> bool:
        """Whether the data was looked at: finding nothing says nothing otherwise."""
        return bool((self.config.get("checks") or {}).get("enabled"))
