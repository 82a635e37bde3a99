"""Step 5: write what people read of a run: plots, the page, the model card."""

import json

import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts, data
from tabproof.artifacts.run_directory import FOR_PEOPLE, MODEL_CARD, REPORT
from tabproof.config import TrainConfig, as_yaml, command_of
from tabproof.evaluation_result import Evidence
from tabproof.search import SearchResult


def publish(
    config: TrainConfig,
    run: artifacts.RunDirectory,
    division: data.Division,
    search: SearchResult,
    proba: NDArray[np.float64],
    evidence: Evidence,
    summary: artifacts.Summary,
) -> None:
    """Write the plots, the page and the model card that the configuration selects."""
    asked, pictures = config.report, {}
    if asked.plots or asked.page:
        # Slow to import: a wrong parameter is reported before that.
        from tabproof.report.plots import Material, draw_plots

        name = f"{artifacts.model_name_of(division.table.name)}, {config.search.name}"
        material = Material(
            evidence=evidence,
            y=division.y_test,
            proba=proba,
            cv_results=search.cv_results,
            scoring=search.scoring,
            name=name,
        )
        pictures = draw_plots(material, asked.language)
    for name, svg in (pictures if asked.plots else {}).items():
        run.write(f"plots/{name}.svg", svg)
    if not (asked.page or asked.model_card):
        return
    from tabproof.report import ReportFacts, render_card, render_report

    facts = ReportFacts(
        evidence=evidence,
        summary=json.loads(summary.to_json()),
        candidates=search.cv_results,
        config_yaml=as_yaml(config),
        pictures=pictures,
        command=command_of(run.path),
        run_path=str(run.shown_path),
        target=division.table.target,
        files=[*FOR_PEOPLE, MODEL_CARD] if asked.model_card else FOR_PEOPLE,
    )
    if asked.page:
        run.write(REPORT, render_report(facts, asked.language))
    if asked.model_card:
        run.write(MODEL_CARD, render_card(facts, asked.language))
